#include "kernels/quantize_int8/quantize_int8.h"

#include <torch/csrc/stable/library.h>

#include "ops/affine.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_int8";

void quantize_int8_out(const Tensor& x, Shape block, std::string_view mapping,
                       std::optional<ScalarType> scale_dtype, double eps, const Tensor& codes,
                       const Tensor& scale, const std::optional<Tensor>& zero_point) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  const kernels::Block sizes = check_dividing_block(kName, block, rows, cols);
  const Mapping kind = check_int8_mapping(kName, mapping);
  const std::int64_t scale_rows = rows / sizes.rows;
  const std::int64_t scale_cols = cols / sizes.cols;
  check_dense({kName, "codes", codes}, ScalarType::Char, {rows, cols});
  check_dense({kName, "scale", scale}, ScalarType::Float, {scale_rows, scale_cols});
  check_int8_zero_point(kName, mapping, kind, zero_point.has_value());
  if (zero_point) {
    check_dense({kName, "zero_point", *zero_point}, ScalarType::Char, {scale_rows, scale_cols});
  }
  kernels::quantize_int8({
      .x = matrix,
      .block = sizes,
      .mapping = kind,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .epsilon = static_cast<float>(eps),
      .codes = mutable_data<std::int8_t>(codes),
      .scale = mutable_data<float>(scale),
      .zero_point = zero_point ? mutable_data<std::int8_t>(*zero_point) : nullptr,
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> quantize_int8(const Tensor& x, Shape block,
                                                 std::string_view mapping,
                                                 std::optional<ScalarType> scale_dtype,
                                                 double eps) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const kernels::Block sizes = check_dividing_block(kName, block, matrix.rows, matrix.cols);
  const bool asymmetric = check_int8_mapping(kName, mapping) == Mapping::kAsymmetric;
  const std::int64_t scale_rows = matrix.rows / sizes.rows;
  const std::int64_t scale_cols = matrix.cols / sizes.cols;
  const Tensor codes = empty({matrix.rows, matrix.cols}, ScalarType::Char);
  const Tensor scale = empty({scale_rows, scale_cols}, ScalarType::Float);
  const Tensor zero_point =
      empty({asymmetric ? scale_rows : 0, asymmetric ? scale_cols : 0}, ScalarType::Char);
  quantize_int8_out(x, block, mapping, scale_dtype, eps, codes, scale,
                    asymmetric ? std::optional(zero_point) : std::nullopt);
  return {codes, scale, zero_point};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; block: the rectangle that shares a scale, -1 for a
// whole dimension: [1, -1] per row, [-1, -1] per tensor, [1, g] per group.
// codes (rows, cols) int8; scale and zero_point (rows / block[0], cols / block[1]), float32 and
// int8; x ~ (codes - zero_point) * scale. zero_point is (0, 0) unless mapping is asymmetric.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_int8(Tensor x, int[] block, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07) -> (Tensor codes, Tensor "
      "scale, Tensor zero_point)");
  library.def(
      "quantize_int8.out(Tensor x, int[] block, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07, *, Tensor(a!) codes, "
      "Tensor(b!) scale, Tensor(c!)? zero_point=None) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_int8", TORCH_BOX(&quantize_int8));
  library.impl("quantize_int8.out", TORCH_BOX(&quantize_int8_out));
}

}  // namespace lowp::ops
