// lowp::scaled_mm on CUDA.
#include "ops/scaled_mm.h"

#include <torch/csrc/stable/library.h>

#include "kernels/scaled_mm/sm90.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

void check_size(const kernels::ScaledMmArgs& args) {
  constexpr std::int64_t kMost = INT32_MAX - 256;
  for (const std::int64_t size : {args.batch, args.m, args.n, args.k}) {
    if (size > kMost)
      fail(kScaledMm, "a dimension is too large", std::to_string(size), "below 2^31");
  }
}

kernels::ScaledMmArgs check(const ScaledMmCall& call, const Tensor& out,
                            std::optional<ScalarType> out_dtype) {
  kernels::ScaledMmArgs args = check_scaled_mm(call, check_same_device);
  check_scaled_mm_out(out, call.a.codes, args, out_dtype, check_same_device);
  check_size(args);
  return args;
}

// The first implementation of the family that takes the arguments.
const kernels::ScaledMmSm90& choose(const kernels::ScaledMmArgs& args, std::string_view family) {
  check_choice<bool>(kScaledMm, "implementation", family,
                     {{"auto", true}, {"lowp", true}, {"emulated", true}});
  std::string reasons;
  for (const kernels::ScaledMmSm90& candidate : kernels::scaled_mm_sm90()) {
    if (family != "auto" && family != candidate.family) continue;
    const char* reason = candidate.refuse(args);
    kernels::log_choice("scaled_mm", candidate.name, reason);
    if (reason == nullptr) return candidate;
    reasons += concat({reasons.empty() ? "" : "; ", candidate.name, ": ", reason});
  }
  fail(kScaledMm, "no implementation takes this product",
       reasons.empty() ? concat({"implementation '", family, "'"}) : reasons,
       "operands that one of them takes");
}

// A product over nothing: the bias, or zero.
void fill(const Tensor& out, const std::optional<Tensor>& bias) {
  if (bias) {
    torch::stable::copy_(const_cast<Tensor&>(out), *bias);
  } else {
    torch::stable::zero_(const_cast<Tensor&>(out));
  }
}

void scaled_mm_out(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                   std::string_view recipe_a, std::string_view recipe_b,
                   const std::optional<Tensor>& bias, std::optional<ScalarType> out_dtype,
                   bool use_fast_accum, const std::optional<Tensor>& tensor_scale_a,
                   const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                   std::string_view implementation, const Tensor& out) {
  const ScaledMmCall call{{"a", "scale_a", "tensor_scale_a", a, scale_a, recipe_a, tensor_scale_a},
                          {"b", "scale_b", "tensor_scale_b", b, scale_b, recipe_b, tensor_scale_b},
                          bias,
                          use_fast_accum,
                          swizzled};
  kernels::ScaledMmArgs args = check(call, out, out_dtype);
  const Launch launch(a);
  if (out.numel() == 0) return;
  if (args.k == 0) return fill(out, bias);
  args.stream = launch.stream;
  check_launch(kScaledMm, choose(args, implementation).run(args));
}

Tensor scaled_mm(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                 std::string_view recipe_a, std::string_view recipe_b,
                 const std::optional<Tensor>& bias, std::optional<ScalarType> out_dtype,
                 bool use_fast_accum, const std::optional<Tensor>& tensor_scale_a,
                 const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                 std::string_view implementation) {
  const Tensor out = empty_scaled_mm(a, b, out_dtype);
  scaled_mm_out(a, b, scale_a, scale_b, recipe_a, recipe_b, bias, out_dtype, use_fast_accum,
                tensor_scale_a, tensor_scale_b, swizzled, implementation, out);
  return out;
}

std::string scaled_mm_implementation(const Tensor& a, const Tensor& b, const Tensor& scale_a,
                                     const Tensor& scale_b, std::string_view recipe_a,
                                     std::string_view recipe_b, const std::optional<Tensor>& bias,
                                     std::optional<ScalarType> out_dtype, bool use_fast_accum,
                                     const std::optional<Tensor>& tensor_scale_a,
                                     const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                                     std::string_view implementation) {
  const ScaledMmCall call{{"a", "scale_a", "tensor_scale_a", a, scale_a, recipe_a, tensor_scale_a},
                          {"b", "scale_b", "tensor_scale_b", b, scale_b, recipe_b, tensor_scale_b},
                          bias,
                          use_fast_accum,
                          swizzled};
  return choose(check(call, empty_scaled_mm(a, b, out_dtype), out_dtype), implementation).name;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("scaled_mm", TORCH_BOX(&scaled_mm));
  library.impl("scaled_mm.out", TORCH_BOX(&scaled_mm_out));
  library.impl("scaled_mm.implementation", TORCH_BOX(&scaled_mm_implementation));
}

}  // namespace lowp::ops
