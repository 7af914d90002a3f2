#include "kernels/dequantize_mx/dequantize_mx.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/mx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_mx";

ValueShape check_mx_codes(const Tensor& codes, DType element) {
  return check_codes({kName, "codes", codes}, codes_dtype(element), values_a_byte(element));
}

void dequantize_mx_out(const Tensor& codes, const Tensor& scale, std::string_view element,
                       const Tensor& out) {
  const DType kind = check_mx_element(kName, element);
  const auto [rows, cols] = check_mx_codes(codes, kind);
  const std::int64_t block_size = check_groups({kName, "scale", scale}, {rows, cols});
  check_dense({kName, "scale", scale}, ScalarType::Float8_e8m0fnu, {rows, cols / block_size});
  kernels::dequantize_mx({
      .codes = data<std::uint8_t>(codes),
      .element = kind,
      .block_size = block_size,
      .scale = data<std::uint8_t>(scale),
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_mx(const Tensor& codes, const Tensor& scale, std::string_view element,
                     std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_mx_codes(codes, check_mx_element(kName, element));
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_mx_out(codes, scale, element, out);
  return out;
}

}  // namespace

// What quantize_mx gave, back: code * 2^(scale - 127), rounded to dtype (float32). The block is
// what the scale's columns imply.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_mx(Tensor codes, Tensor scale, str element='e4m3', ScalarType? dtype=None) -> "
      "Tensor");
  library.def(
      "dequantize_mx.out(Tensor codes, Tensor scale, str element='e4m3', *, Tensor(a!) out) -> "
      "()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_mx", TORCH_BOX(&dequantize_mx));
  library.impl("dequantize_mx.out", TORCH_BOX(&dequantize_mx_out));
}

}  // namespace lowp::ops
