// What eval and generate share: threads, loading, quantization in memory, sizes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/run_options.h"
#include "lowp/models/causal_lm.h"

namespace lowp::cli {

// Sets torch's threads, and lets malloc keep the memory of activations from one layer to the next,
// which would otherwise go back to the system and be zeroed again. Returns the number of threads.
int set_up_process(const RunOptions& options);

// Loads a model and, unless `quantize` is empty, quantizes its linear layers. Throws lowp::Error
// with the reasons if a layer that is not ignored cannot be.
models::CausalLM load_model(const std::filesystem::path& directory, const std::string& quantize,
                            const RunOptions& options);

// "W8A16", of a model whose layers have one scheme; "mixed"; or the dtype of a plain model.
std::string scheme_of(const models::CausalLM& model);

// "cpu" or "cuda:0", and the most memory that tensors had there; nothing for the CPU.
std::string device_of(const models::CausalLM& model);
std::optional<std::int64_t> peak_device_bytes(const models::CausalLM& model);

// Returns once the model's device has done what it was sent.
void wait_for_device(const models::CausalLM& model);

struct ModelSize {
  std::int64_t bytes = 0;    // parameters and buffers, tied ones once
  std::int64_t weights = 0;  // values that they stand for
  double bits_per_weight() const;
};
ModelSize size_of(const models::CausalLM& model);

}  // namespace lowp::cli
