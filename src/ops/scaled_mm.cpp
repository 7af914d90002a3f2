#include "ops/scaled_mm.h"

#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

void check_cpu(const Argument& argument, const Tensor&) {
  if (argument.tensor.is_cpu()) return;
  fail(argument.operation, concat({argument.name, " is not on the CPU"}), "a tensor elsewhere",
       "a CPU tensor, as a is");
}

void check_implementation(std::string_view implementation) {
  check_choice<bool>(kScaledMm, "implementation", implementation, {{"auto", true}});
}

// What a call would run: the checked arguments and what they point into.
struct Problem {
  kernels::ScaledMmArgs args;
  std::optional<Tensor> bias;  // as fp32
};

Problem check(const ScaledMmCall& call, const Tensor& out, std::optional<ScalarType> out_dtype) {
  Problem problem{check_scaled_mm(call, check_cpu), std::nullopt};
  check_scaled_mm_out(out, call.a.codes, problem.args, out_dtype, check_cpu);
  if (call.bias) {
    problem.bias = call.bias->scalar_type() == ScalarType::Float
                       ? *call.bias
                       : torch::stable::to(*call.bias, ScalarType::Float);
    problem.args.bias = problem.bias->const_data_ptr();
    problem.args.bias_dtype = DType::kF32;
  }
  problem.args.parallel = torch_pool();
  return problem;
}

void scaled_mm_out(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                   std::string_view recipe_a, std::string_view recipe_b,
                   const std::optional<Tensor>& bias, std::optional<ScalarType> out_dtype,
                   bool use_fast_accum, const std::optional<Tensor>& tensor_scale_a,
                   const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                   std::string_view implementation, const Tensor& out) {
  check_implementation(implementation);
  const ScaledMmCall call{{"a", "scale_a", "tensor_scale_a", a, scale_a, recipe_a, tensor_scale_a},
                          {"b", "scale_b", "tensor_scale_b", b, scale_b, recipe_b, tensor_scale_b},
                          bias,
                          use_fast_accum,
                          swizzled};
  kernels::scaled_mm(check(call, out, out_dtype).args);
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
  check_implementation(implementation);
  const ScaledMmCall call{{"a", "scale_a", "tensor_scale_a", a, scale_a, recipe_a, tensor_scale_a},
                          {"b", "scale_b", "tensor_scale_b", b, scale_b, recipe_b, tensor_scale_b},
                          bias,
                          use_fast_accum,
                          swizzled};
  return kernels::choose("scaled_mm", kernels::scaled_mm_implementations(),
                         check(call, empty_scaled_mm(a, b, out_dtype), out_dtype).args)
      .name;
}

}  // namespace

// a (M, K) or (batch, M, K), b (N, K) or (batch, N, K), codes of float8, or of e2m1 two a byte,
// with the scales that recipe_a and recipe_b name: "tensor" (1), "row" (rows, 1), "1x128" (rows,
// ceil(K / 128)), "128x128" (ceil(rows / 128), ceil(K / 128)) fp32; "1x32" (rows, K / 32) e8m0;
// "1x16" (rows, K / 16) e4m3, times tensor_scale. `swizzled`: those of 1x32 and 1x16 are in the
// 32_4_4 layout. Returns (M, N) or (batch, M, N) of out_dtype, bfloat16 unless given.
// implementation: "auto", or the GPU's "lowp", "cublaslt", "emulated".
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "scaled_mm", kScaledMmArguments);
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("scaled_mm", TORCH_BOX(&scaled_mm));
  library.impl("scaled_mm.out", TORCH_BOX(&scaled_mm_out));
  library.impl("scaled_mm.implementation", TORCH_BOX(&scaled_mm_implementation));
}

}  // namespace lowp::ops
