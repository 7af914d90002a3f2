#include "nn/bf16_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <limits>

#include "kernels/runtime/cpu.h"

namespace lowp::nn {
namespace {

// Rows of x up to which the kernel is faster than at::linear.
//
// AVX-512: from 8 rows on oneDNN's blocked product is as fast or faster. Up to 4, on one thread of
// a Zen 4, (576 to 1536) x 576 takes 19 to 58 us here and 41 to 95 us in at::linear.
//
// AVX2: oneDNN has no bf16 product there, and what at::linear runs in its place stays at 9 to 11
// GFLOPS for any number of rows. One thread of a Zen 3, torch 2.11, lowp and at::linear:
//   rows             1            4            16            128             512
//   1536 x 576   41, 184 us  115, 706 us  0.49, 2.8 ms  2.8, 22.7 ms   11, 91 ms
//   4096 x 4096  1.5, 3.2 ms  2.5, 12.8 ms  12, 49 ms    56, 390 ms   213, 1563 ms
std::int64_t max_rows() {
  static const bool always =
      kernels::available(kernels::Isa::kAvx2) && !kernels::available(kernels::Isa::kAvx512);
  return always ? std::numeric_limits<std::int64_t>::max() : 4;
}

}  // namespace

bool takes_bf16_kernel(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias) {
  return !torch::GradMode::is_enabled() && x.scalar_type() == torch::kBFloat16 &&
         weight.scalar_type() == torch::kBFloat16 && x.is_cpu() && weight.is_cpu() &&
         weight.is_contiguous() && x.dim() > 0 && x.size(-1) == weight.size(1) &&
         weight.size(1) > 0 && x.numel() / weight.size(1) <= max_rows() &&
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
