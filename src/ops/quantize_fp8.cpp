#include "kernels/quantize_fp8/quantize_fp8.h"

#include <torch/csrc/stable/library.h>

#include "ops/fp8.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_fp8";

void quantize_fp8_out(const Tensor& x, Shape block, std::string_view element,
                      std::optional<ScalarType> scale_dtype,
                      const std::optional<Tensor>& static_scale, bool power_of_two,
                      const Tensor& codes, const Tensor& scale) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const DType kind = check_fp8_element(kName, element);
  const std::int64_t scale_rows = ceil_div(matrix.rows, sizes.rows);
  const std::int64_t scale_cols = ceil_div(matrix.cols, sizes.cols);
  check_dense({kName, "codes", codes}, fp8_dtype(kind), {matrix.rows, matrix.cols});
  check_dense({kName, "scale", scale}, ScalarType::Float, {scale_rows, scale_cols});
  if (static_scale) {
    check_dense({kName, "static_scale", *static_scale}, ScalarType::Float,
                {scale_rows, scale_cols});
  }
  kernels::quantize_fp8({
      .x = matrix,
      .block = sizes,
      .element = kind,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .power_of_two = power_of_two,
      .static_scale = static_scale ? data<float>(*static_scale) : nullptr,
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor> quantize_fp8(const Tensor& x, Shape block, std::string_view element,
                                        std::optional<ScalarType> scale_dtype,
                                        const std::optional<Tensor>& static_scale,
                                        bool power_of_two) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const kernels::Block sizes = check_block(kName, block, matrix.rows, matrix.cols);
  const Tensor codes =
      empty({matrix.rows, matrix.cols}, fp8_dtype(check_fp8_element(kName, element)));
  const Tensor scale = empty({ceil_div(matrix.rows, sizes.rows), ceil_div(matrix.cols, sizes.cols)},
                             ScalarType::Float);
  quantize_fp8_out(x, block, element, scale_dtype, static_scale, power_of_two, codes, scale);
  return {codes, scale};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; block as in quantize_int8, blocks at the edge are
// cut; element "e4m3" or "e5m2". codes (rows, cols) float8; scale float32, the number of blocks
// along each side; x ~ codes * scale. static_scale, shaped as scale, is used instead of amax.
// power_of_two: training's scale, 1 / 2^floor(log2(max / amax)).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_fp8(Tensor x, int[] block, str element='e4m3', ScalarType? scale_dtype=None, "
      "Tensor? static_scale=None, bool power_of_two=False) -> (Tensor codes, Tensor scale)");
  library.def(
      "quantize_fp8.out(Tensor x, int[] block, str element='e4m3', ScalarType? scale_dtype=None, "
      "Tensor? static_scale=None, bool power_of_two=False, *, Tensor(a!) codes, Tensor(b!) scale) "
      "-> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_fp8", TORCH_BOX(&quantize_fp8));
  library.impl("quantize_fp8.out", TORCH_BOX(&quantize_fp8_out));
}

}  // namespace lowp::ops
