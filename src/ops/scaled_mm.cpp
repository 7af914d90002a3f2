#include "ops/linear.h"
#include "ops/scaled_mm_operator.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

struct Cpu {
  static void check(const Argument& argument, const Tensor&) {
    if (argument.tensor.is_cpu()) return;
    fail(argument.operation, concat({argument.name, " is not on the CPU"}), "a tensor elsewhere",
         "a CPU tensor, as a is");
  }

  static void check_implementation(std::string_view implementation) {
    check_choice<bool>(kScaledMm, "implementation", implementation, {{"auto", true}});
  }

  static void run(const Tensor&, const std::optional<Tensor>& bias, kernels::ScaledMmArgs args,
                  std::string_view implementation, const Tensor&) {
    check_implementation(implementation);
    std::optional<Tensor> wide;  // the bias as fp32
    if (bias && args.bias_dtype != DType::kF32) {
      wide = torch::stable::to(*bias, ScalarType::Float);
      args.bias = wide->const_data_ptr();
      args.bias_dtype = DType::kF32;
    }
    args.parallel = torch_pool();
    const Tensor workspace = empty({kernels::scaled_mm_workspace(args)}, ScalarType::Byte);
    args.workspace = workspace.mutable_data_ptr();
    kernels::scaled_mm(args);
  }

  static std::string choose(const kernels::ScaledMmArgs& args, std::string_view implementation) {
    check_implementation(implementation);
    return kernels::choose("scaled_mm", kernels::scaled_mm_implementations(), args).name;
  }
};

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

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) { ScaledMmOperator<Cpu>::implement(library); }

}  // namespace lowp::ops
