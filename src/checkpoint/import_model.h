// What a GGUF file says of its model, checked, and the Hugging Face files that say the same.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "checkpoint/gguf.h"

namespace lowp::checkpoint {

enum class Architecture : std::uint8_t { kLlama, kQwen2, kQwen3, kGemma3 };

// Of Gemma 3 alone.
struct Gemma3Options {
  std::int64_t sliding_window = 0;
  std::int64_t sliding_window_pattern = 6;  // each such layer sees the whole context
  std::int64_t query_pre_attn_scalar = 0;   // attention scores are divided by its square root
  double rope_local_base_freq = 10000.0;
  std::optional<double> final_logit_softcapping;
  std::optional<double> attn_logit_softcapping;
};

struct ImportedModel {
  Architecture architecture;
  std::int64_t vocab_size;
  std::int64_t hidden_size;
  std::int64_t intermediate_size;
  std::int64_t layers;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t context_length;
  double rms_norm_eps;
  double rope_theta;
  nlohmann::ordered_json rope_scaling;  // null if there is none
  bool tied_embeddings;                 // no output.weight
  bool qkv_bias;
  bool attention_bias;  // qkv_bias and one on the output projection
  bool mlp_bias;
  Gemma3Options gemma3;
};

// Throws lowp::Error that names the file and the key for an architecture that is not known, a key
// that is missing, of the wrong type, out of range or that contradicts another.
ImportedModel read_gguf_model(const Gguf& gguf);

// config.json. `dtype` as transformers names it: "bfloat16".
nlohmann::ordered_json hugging_face_config(const Gguf& gguf, const ImportedModel& model,
                                           const std::string& dtype);

// generation_config.json: the ids of special tokens and the sampling that the file recommends.
nlohmann::ordered_json hugging_face_generation_config(const Gguf& gguf, const ImportedModel& model);

}  // namespace lowp::checkpoint
