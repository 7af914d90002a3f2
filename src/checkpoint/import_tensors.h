// Which tensor of a GGUF file becomes which parameter of the Hugging Face model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/import_model.h"

namespace lowp::checkpoint {

struct ImportedTensor {
  std::string name;                 // "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;  // of the parameter; equal to the source's
  const GgufTensor* source;
  // llama.cpp interleaves the two halves of each head of q and k, so that rotary pairs are
  // neighbours: row 2 i + h of a head in the file is row h (head_dim / 2) + i of the parameter. The
  // number of heads whose rows are to be put back; 0 if rows are in order.
  std::int64_t interleaved_heads = 0;
  // Gemma's norms are stored as 1 + weight.
  bool subtract_one = false;
};

// In the order of the model. Throws lowp::Error that names the file and the tensor if one is
// missing, has another shape, cannot be dequantized, or is not one of the model's.
std::vector<ImportedTensor> plan_import(const Gguf& gguf, const ImportedModel& model);

}  // namespace lowp::checkpoint
