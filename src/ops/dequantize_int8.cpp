#include "kernels/dequantize_int8/dequantize_int8.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_int8";

void dequantize_int8_out(const Tensor& codes, const Tensor& scale, Shape block,
                         const std::optional<Tensor>& zero_point, const Tensor& out) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Char);
  const kernels::Block sizes = check_dividing_block(kName, block, rows, cols);
  const std::int64_t scale_rows = rows / sizes.rows;
  const std::int64_t scale_cols = cols / sizes.cols;
  check_dense({kName, "scale", scale}, ScalarType::Float, {scale_rows, scale_cols});
  if (zero_point) {
    check_dense({kName, "zero_point", *zero_point}, ScalarType::Char, {scale_rows, scale_cols});
  }
  kernels::dequantize_int8({
      .codes = data<std::int8_t>(codes),
      .block = sizes,
      .scale = data<float>(scale),
      .zero_point = zero_point ? data<std::int8_t>(*zero_point) : nullptr,
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_int8(const Tensor& codes, const Tensor& scale, Shape block,
                       const std::optional<Tensor>& zero_point, std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Char);
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_int8_out(codes, scale, block, zero_point, out);
  return out;
}

}  // namespace

// What quantize_int8 gave, back: (codes - zero_point) * scale, rounded once to dtype (float32).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_int8(Tensor codes, Tensor scale, int[] block, Tensor? zero_point=None, "
      "ScalarType? dtype=None) -> Tensor");
  library.def(
      "dequantize_int8.out(Tensor codes, Tensor scale, int[] block, Tensor? zero_point=None, *, "
      "Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_int8", TORCH_BOX(&dequantize_int8));
  library.impl("dequantize_int8.out", TORCH_BOX(&dequantize_int8_out));
}

}  // namespace lowp::ops
