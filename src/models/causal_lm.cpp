#include "lowp/models/causal_lm.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "kernels/pack_weight/pack_weight.h"
#include "lowp/error.h"
#include "models/decoder.h"
#include "models/huge_pages.h"

namespace lowp::models {

CausalLMImpl::CausalLMImpl(const Config& config, torch::TensorOptions options)
    : config_(config), decoder_(std::make_shared<DecoderImpl>(config, options)) {
  register_module("model", decoder_);
  const torch::Tensor head = config.tie_word_embeddings
                                 ? decoder_->embedding()
                                 : torch::empty({config.vocab_size, config.hidden_size}, options);
  lm_head_ = register_module("lm_head", nn::Linear(head));
}

CausalLMImpl::~CausalLMImpl() = default;

torch::ScalarType CausalLMImpl::dtype() const { return decoder_->embedding().scalar_type(); }

torch::Device CausalLMImpl::device() const { return decoder_->embedding().device(); }

void CausalLMImpl::optimize_for_inference() {
  if (kernels::packing_pays()) {
    for (const auto& module : modules()) {
      if (auto* linear = module->as<nn::LinearImpl>()) linear->pack();
    }
  }
  decoder_->stack_projections();
  move_to_huge_pages(*this);
}

KvCache CausalLMImpl::make_cache(std::int64_t capacity) const {
  return KvCache(config_, capacity, decoder_->embedding().options().requires_grad(false));
}

torch::Tensor CausalLMImpl::forward(const torch::Tensor& ids, KvCache* cache, Logits logits) {
  if (ids.dim() != 1 || ids.size(0) == 0 || ids.scalar_type() != torch::kInt64) {
    throw Error(
        fmt::format("[CausalLM] bad ids, got {} of {} dimensions and {} elements, expected "
                    "int64 (T), T > 0",
                    torch::toString(ids.scalar_type()), ids.dim(), ids.numel()));
  }
  if (!ids.is_cpu() && ids.device() != device()) {
    throw Error(fmt::format("[CausalLM] ids are elsewhere, got {}, expected the CPU or {}",
                            ids.device().str(), device().str()));
  }
  const std::int64_t smallest = ids.min().item<std::int64_t>();
  const std::int64_t largest = ids.max().item<std::int64_t>();
  if (smallest < 0 || largest >= config_.vocab_size) {
    throw Error(fmt::format("[CausalLM] token out of range, got {}, expected 0 to {}",
                            smallest < 0 ? smallest : largest, config_.vocab_size - 1));
  }
  const std::int64_t begin = cache == nullptr ? 0 : cache->length();
  if (cache != nullptr && begin + ids.size(0) > cache->capacity()) {
    throw Error(fmt::format("[CausalLM] the cache is full, got {} + {} tokens, expected at most {}",
                            begin, ids.size(0), cache->capacity()));
  }
  const bool decodes = cache != nullptr && ids.size(0) == 1 && !at::GradMode::is_enabled() &&
                       decoder_->embedding().is_cpu();
  const torch::Tensor here = ids.to(device());
  const torch::Tensor hidden = decodes
                                   ? decoder_->decode(here, begin, *cache)
                                   : decoder_->forward(here, begin, cache, logits == Logits::kLast);
  if (cache != nullptr) cache->length_ = begin + ids.size(0);
  return logits_of(hidden);
}

torch::Tensor CausalLMImpl::logits_of(const torch::Tensor& hidden) {
  const torch::Tensor result = lm_head_->forward(hidden);
  const double cap = config_.final_logit_softcapping;
  return cap > 0.0 ? torch::tanh(result / cap) * cap : result;
}

}  // namespace lowp::models
