#include "kernels/dequantize_fp8/dequantize_fp8.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_fp8";

ValueShape check_fp8_codes(const Tensor& codes) {
  const Argument argument{kName, "codes", codes};
  check_dtype(argument, {ScalarType::Float8_e4m3fn, ScalarType::Float8_e5m2});
  return check_codes(argument, codes.scalar_type());
}

void dequantize_fp8_out(const Tensor& codes, const Tensor& scale, Shape block, const Tensor& out) {
  const auto [rows, cols] = check_fp8_codes(codes);
  const kernels::Block sizes = check_block(kName, block, rows, cols);
  check_dense({kName, "scale", scale}, ScalarType::Float,
              {ceil_div(rows, sizes.rows), ceil_div(cols, sizes.cols)});
  kernels::dequantize_fp8({
      .codes = data<std::uint8_t>(codes),
      .element = to_dtype(codes.scalar_type()),
      .block = sizes,
      .scale = data<float>(scale),
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_fp8(const Tensor& codes, const Tensor& scale, Shape block,
                      std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_fp8_codes(codes);
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_fp8_out(codes, scale, block, out);
  return out;
}

}  // namespace

// What quantize_fp8 gave, back: codes * scale, rounded once to dtype (float32).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_fp8(Tensor codes, Tensor scale, int[] block, ScalarType? dtype=None) -> Tensor");
  library.def(
      "dequantize_fp8.out(Tensor codes, Tensor scale, int[] block, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_fp8", TORCH_BOX(&dequantize_fp8));
  library.impl("dequantize_fp8.out", TORCH_BOX(&dequantize_fp8_out));
}

}  // namespace lowp::ops
