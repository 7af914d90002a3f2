#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "lowp/models/config.h"
#include "lowp/models/generation.h"
#include "lowp/models/kv_cache.h"
#include "lowp/nn/linear.h"

namespace lowp::models {

class DecoderImpl;

// Which positions get logits.
enum class Logits { kAll, kLast };

// A Llama-family decoder with its language-model head. Its modules bear the names of the checkpoint
// ("model.layers.0.self_attn.q_proj"), so that lowp::quantize_ and its filters apply to them.
class CausalLMImpl : public torch::nn::Module {
 public:
  // Weights are uninitialized: load() fills them.
  explicit CausalLMImpl(const Config& config, torch::TensorOptions options = {});
  ~CausalLMImpl() override;

  // ids: (T) int64, on the CPU or where the model is. Without a cache they are positions 0 to T-1;
  // with one they follow those that it holds and are appended to it. Returns logits (T,
  // vocab_size), or (1, vocab_size) for kLast, in the dtype of the model. Throws lowp::Error for
  // ids out of range and for a full cache. Ids on the CPU are checked there; for those on the GPU
  // it is waited.
  torch::Tensor forward(const torch::Tensor& ids, KvCache* cache = nullptr,
                        Logits logits = Logits::kAll);

  // Continues `prompt`, which must not be empty.
  Generation generate(const std::vector<std::int64_t>& prompt, const GenerateOptions& options);

  // Lets projections of the same input (q, k, v; gate, up) run as one product without gradients,
  // where their weights allow it, and puts the weights on huge pages. Call it after
  // lowp::quantize_, and again after later changes.
  void optimize_for_inference();

  KvCache make_cache(std::int64_t capacity) const;
  const Config& config() const { return config_; }
  torch::ScalarType dtype() const;
  torch::Device device() const;

 private:
  torch::Tensor logits_of(const torch::Tensor& hidden);

  Config config_;
  std::shared_ptr<DecoderImpl> decoder_;
  nn::Linear lm_head_{nullptr};
};

struct LoadOptions {
  std::optional<torch::ScalarType> dtype;  // default: what config.json says
  torch::Device device = torch::kCPU;      // tensors go there one by one
};

class CausalLM : public torch::nn::ModuleHolder<CausalLMImpl> {
 public:
  using torch::nn::ModuleHolder<CausalLMImpl>::ModuleHolder;

  // Reads a Hugging Face directory: config.json and safetensors, plain or quantized in a
  // compressed-tensors scheme that lowp knows. Throws lowp::Error that names the tensor for one
  // that is missing, unexpected, or of the wrong shape or type, and for a GPU that is not there.
  static CausalLM load(const std::filesystem::path& directory, const LoadOptions& options = {});
};

}  // namespace lowp::models
