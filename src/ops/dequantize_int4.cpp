#include "kernels/dequantize_int4/dequantize_int4.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_int4";

void dequantize_int4_out(const Tensor& codes, const Tensor& scale,
                         const std::optional<Tensor>& zero_point, const std::optional<Tensor>& zero,
                         const Tensor& out) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  const std::int64_t group_size = check_groups({kName, "scale", scale}, {rows, cols});
  const std::int64_t groups = cols / group_size;
  if (group_size % 2 != 0 && cols != 0) {
    fail(kName, "scale implies an odd group", std::to_string(group_size),
         "an even number of columns a group");
  }
  check_dense({kName, "scale", scale}, ScalarType::Float, {rows, groups});
  if (zero_point && zero) {
    fail(kName, "zero_point and zero exclude each other", "both", "one or none");
  }
  if (zero_point) {
    check_dense({kName, "zero_point", *zero_point}, ScalarType::Char, {rows, groups});
  }
  if (zero) check_dense({kName, "zero", *zero}, ScalarType::Float, {rows, groups});
  kernels::dequantize_int4({
      .codes = data<std::uint8_t>(codes),
      .group_size = group_size,
      .scale = data<float>(scale),
      .zero_point = zero_point ? data<std::int8_t>(*zero_point) : nullptr,
      .zero = zero ? data<float>(*zero) : nullptr,
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_int4(const Tensor& codes, const Tensor& scale,
                       const std::optional<Tensor>& zero_point, const std::optional<Tensor>& zero,
                       std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_int4_out(codes, scale, zero_point, zero, out);
  return out;
}

}  // namespace

// What quantize_int4 gave, back: (code - zero_point) * scale or code * scale + zero, rounded to
// dtype (float32). The group is what the scale's columns imply.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_int4(Tensor codes, Tensor scale, Tensor? zero_point=None, Tensor? zero=None, "
      "ScalarType? dtype=None) -> Tensor");
  library.def(
      "dequantize_int4.out(Tensor codes, Tensor scale, Tensor? zero_point=None, "
      "Tensor? zero=None, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_int4", TORCH_BOX(&dequantize_int4));
  library.impl("dequantize_int4.out", TORCH_BOX(&dequantize_int4_out));
}

}  // namespace lowp::ops
