#include "kernels/quantize_mx/quantize_mx.h"

#include <torch/csrc/stable/library.h>

#include "ops/mx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_mx";

void check_block_size(const kernels::Matrix& x, DType element, std::int64_t block_size) {
  const bool pairs = element != DType::kF4 || block_size % 2 == 0;
  if (block_size >= 1 && x.cols % block_size == 0 && pairs) return;
  fail(kName, "block_size does not fit x", std::to_string(block_size),
       concat({"a divisor of ", std::to_string(x.cols), ", even for e2m1"}));
}

void quantize_mx_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                     std::int64_t block_size, const Tensor& codes, const Tensor& scale) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const DType kind = check_mx_element(kName, element);
  check_block_size(matrix, kind, block_size);
  check_dense({kName, "codes", codes}, codes_dtype(kind),
              {matrix.rows, matrix.cols / values_a_byte(kind)});
  check_dense({kName, "scale", scale}, ScalarType::Float8_e8m0fnu,
              {matrix.rows, matrix.cols / block_size});
  kernels::quantize_mx({
      .x = matrix,
      .block_size = block_size,
      .element = kind,
      .mode = check_scaling_mode(kName, scaling_mode),
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<std::uint8_t>(scale),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor> quantize_mx(const Tensor& x, std::string_view element,
                                       std::string_view scaling_mode, std::int64_t block_size) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const DType kind = check_mx_element(kName, element);
  check_block_size(matrix, kind, block_size);
  const Tensor codes = empty({matrix.rows, matrix.cols / values_a_byte(kind)}, codes_dtype(kind));
  const Tensor scale = empty({matrix.rows, matrix.cols / block_size}, ScalarType::Float8_e8m0fnu);
  quantize_mx_out(x, element, scaling_mode, block_size, codes, scale);
  return {codes, scale};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; element "e4m3", "e5m2", "e2m3", "e3m2" or "e2m1";
// scaling_mode "floor", "ceil", "even" or "rceil". codes (rows, cols): float8, or uint8 with one
// fp6 a byte; e2m1 (rows, cols / 2) uint8, even column low; scale (rows, cols / block_size)
// float8_e8m0fnu.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_mx(Tensor x, str element='e4m3', str scaling_mode='rceil', int block_size=32) -> "
      "(Tensor codes, Tensor scale)");
  library.def(
      "quantize_mx.out(Tensor x, str element='e4m3', str scaling_mode='rceil', int block_size=32, "
      "*, Tensor(a!) codes, Tensor(b!) scale) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_mx", TORCH_BOX(&quantize_mx));
  library.impl("quantize_mx.out", TORCH_BOX(&quantize_mx_out));
}

}  // namespace lowp::ops
