#include <torch/csrc/stable/library.h>

#include "kernels/gated_activation/gated_activation.h"
#include "kernels/quantize_fp8/quantize_fp8.h"
#include "ops/fp8.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::silu_mul_quantize_fp8";

void silu_mul_quantize_fp8_out(const Tensor& gate, const Tensor& up, Shape block,
                               std::string_view element, bool power_of_two, const Tensor& codes,
                               const Tensor& scale) {
  const kernels::Matrix matrix = check_matrix({kName, "gate", gate});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  check_dtype({kName, "up", up}, {gate.scalar_type()});
  check_shape({kName, "up", up}, {rows, cols});
  const kernels::Block sizes = check_block(kName, block, rows, cols);
  const DType kind = check_fp8_element(kName, element);
  check_dense({kName, "codes", codes}, fp8_dtype(kind), {rows, cols});
  check_dense({kName, "scale", scale}, ScalarType::Float,
              {ceil_div(rows, sizes.rows), ceil_div(cols, sizes.cols)});
  const Tensor product = empty({rows, cols}, gate.scalar_type());
  kernels::gated_activation({
      .gate = matrix,
      .up = check_matrix({kName, "up", up}),
      .out = check_output_matrix({kName, "product", product}, rows, cols),
      .activation = kernels::GateActivation::kSilu,
      .parallel = torch_pool(),
  });
  kernels::quantize_fp8({
      .x = check_matrix({kName, "product", product}),
      .block = sizes,
      .element = kind,
      .scale_dtype = DType::kF32,
      .power_of_two = power_of_two,
      .static_scale = nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor> silu_mul_quantize_fp8(const Tensor& gate, const Tensor& up, Shape block,
                                                 std::string_view element, bool power_of_two) {
  const kernels::Matrix matrix = check_matrix({kName, "gate", gate});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty({matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale = empty({ceil_div(matrix.rows, sizes.rows), ceil_div(matrix.cols, sizes.cols)},
                             ScalarType::Float);
  silu_mul_quantize_fp8_out(gate, up, block, element, power_of_two, codes, scale);
  return {codes, scale};
}

}  // namespace

// quantize_fp8 of silu(gate) * up, the middle of SwiGLU, computed in fp32 and rounded to their
// dtype; gate, up (M, N). On CUDA the product is never written to memory.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "silu_mul_quantize_fp8(Tensor gate, Tensor up, int[] block, str element='e4m3', "
      "bool power_of_two=False) -> (Tensor codes, Tensor scale)");
  library.def(
      "silu_mul_quantize_fp8.out(Tensor gate, Tensor up, int[] block, str element='e4m3', "
      "bool power_of_two=False, *, Tensor(a!) codes, Tensor(b!) scale) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("silu_mul_quantize_fp8", TORCH_BOX(&silu_mul_quantize_fp8));
  library.impl("silu_mul_quantize_fp8.out", TORCH_BOX(&silu_mul_quantize_fp8_out));
}

}  // namespace lowp::ops
