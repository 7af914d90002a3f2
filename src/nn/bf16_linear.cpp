#include "nn/bf16_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace lowp::nn {
namespace {

// From 8 rows on oneDNN's blocked product is as fast or faster. Up to 4, on one thread of a Zen 4,
// (576 to 1536) x 576 takes 19 to 58 us here and 41 to 95 us in at::linear.
constexpr std::int64_t kMaxRows = 4;

}  // namespace

bool takes_bf16_kernel(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias) {
  return !torch::GradMode::is_enabled() && x.scalar_type() == torch::kBFloat16 &&
         weight.scalar_type() == torch::kBFloat16 && x.is_cpu() && weight.is_cpu() &&
         weight.is_contiguous() && x.dim() > 0 && x.size(-1) == weight.size(1) &&
         weight.size(1) > 0 && x.numel() <= kMaxRows * weight.size(1) &&
         (!bias.defined() || bias.is_contiguous());
}

torch::Tensor bf16_linear(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias) {
  using torch::Tensor;
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("lowp::linear_bf16", "out")
          .typed<void(const Tensor&, const Tensor&, const std::optional<Tensor>&, Tensor&)>();
  c10::DimVector shape(x.sizes());
  shape.back() = weight.size(0);
  Tensor out = at::empty(shape, x.options());
  op.call(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, out);
  return out;
}

}  // namespace lowp::nn
