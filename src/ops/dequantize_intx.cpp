#include "kernels/dequantize_intx/dequantize_intx.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/intx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_intx";

void dequantize_intx_out(const Tensor& codes, const Tensor& scale, std::int64_t bits,
                         const std::optional<Tensor>& zero_point, const Tensor& out) {
  const auto [rows, cols] = check_intx_codes({kName, "codes", codes}, bits);
  const std::int64_t group_size = check_groups({kName, "scale", scale}, {rows, cols});
  if (group_size % 8 != 0 && cols != 0) {
    fail(kName, "scale implies a group that ends within a byte", std::to_string(group_size),
         "a multiple of 8 columns a group");
  }
  const std::int64_t groups = cols / group_size;
  check_dense({kName, "scale", scale}, ScalarType::Float, {rows, groups});
  if (zero_point) {
    check_dense({kName, "zero_point", *zero_point}, ScalarType::Char, {rows, groups});
  }
  kernels::dequantize_intx({
      .codes = data<std::uint8_t>(codes),
      .bits = static_cast<int>(bits),
      .group_size = group_size,
      .scale = data<float>(scale),
      .zero_point = zero_point ? data<std::int8_t>(*zero_point) : nullptr,
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_intx(const Tensor& codes, const Tensor& scale, std::int64_t bits,
                       const std::optional<Tensor>& zero_point, std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_intx_codes({kName, "codes", codes}, bits);
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_intx_out(codes, scale, bits, zero_point, out);
  return out;
}

}  // namespace

// What quantize_intx gave, back: (code - zero_point) * scale, rounded to dtype (float32). The group
// is what the scale's columns imply.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_intx(Tensor codes, Tensor scale, int bits, Tensor? zero_point=None, "
      "ScalarType? dtype=None) -> Tensor");
  library.def(
      "dequantize_intx.out(Tensor codes, Tensor scale, int bits, Tensor? zero_point=None, *, "
      "Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_intx", TORCH_BOX(&dequantize_intx));
  library.impl("dequantize_intx.out", TORCH_BOX(&dequantize_intx_out));
}

}  // namespace lowp::ops
