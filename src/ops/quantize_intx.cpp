#include "kernels/quantize_intx/quantize_intx.h"

#include <torch/csrc/stable/library.h>

#include "formats/fp16.h"
#include "ops/affine.h"
#include "ops/intx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_intx";

// What is checked alike with and without outputs.
struct Plan {
  kernels::Matrix x;
  Mapping mapping;
  std::int64_t groups;
};

Plan check(const Tensor& x, std::int64_t bits, std::int64_t group_size, std::string_view mapping) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  check_intx_bits(kName, bits);
  if (group_size < 8 || group_size % 8 != 0 || matrix.cols % group_size != 0) {
    fail(kName, "group_size does not fit x", std::to_string(group_size),
         concat({"a multiple of 8 that divides ", std::to_string(matrix.cols)}));
  }
  return {matrix, check_int8_mapping(kName, mapping), matrix.cols / group_size};
}

// torch's smallest normal number of x's dtype, unless given.
float epsilon_of(const kernels::Matrix& x, std::optional<double> eps) {
  if (eps) return static_cast<float>(*eps);
  return x.dtype == DType::kF16 ? Fp16::kSmallestNormal : Fp32::kSmallestNormal;
}

void quantize_intx_out(const Tensor& x, std::int64_t bits, std::int64_t group_size,
                       std::string_view mapping, std::optional<ScalarType> scale_dtype,
                       std::optional<double> eps, const Tensor& codes, const Tensor& scale,
                       const std::optional<Tensor>& zero_point) {
  const Plan plan = check(x, bits, group_size, mapping);
  const std::int64_t rows = plan.x.rows;
  check_dense({kName, "codes", codes}, ScalarType::Byte, {rows, plan.x.cols / 8 * bits});
  check_dense({kName, "scale", scale}, ScalarType::Float, {rows, plan.groups});
  check_int8_zero_point(kName, mapping, plan.mapping, zero_point.has_value());
  if (zero_point) {
    check_dense({kName, "zero_point", *zero_point}, ScalarType::Char, {rows, plan.groups});
  }
  kernels::quantize_intx({
      .x = plan.x,
      .bits = static_cast<int>(bits),
      .group_size = group_size,
      .mapping = plan.mapping,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .epsilon = epsilon_of(plan.x, eps),
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .zero_point = zero_point ? mutable_data<std::int8_t>(*zero_point) : nullptr,
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> quantize_intx(const Tensor& x, std::int64_t bits,
                                                 std::int64_t group_size, std::string_view mapping,
                                                 std::optional<ScalarType> scale_dtype,
                                                 std::optional<double> eps) {
  const Plan plan = check(x, bits, group_size, mapping);
  const std::int64_t rows = plan.x.rows;
  const bool asymmetric = plan.mapping == Mapping::kAsymmetric;
  const Tensor codes = empty({rows, plan.x.cols / 8 * bits}, ScalarType::Byte);
  const Tensor scale = empty({rows, plan.groups}, ScalarType::Float);
  const Tensor zero_point =
      empty({asymmetric ? rows : 0, asymmetric ? plan.groups : 0}, ScalarType::Char);
  quantize_intx_out(x, bits, group_size, mapping, scale_dtype, eps, codes, scale,
                    asymmetric ? std::optional(zero_point) : std::nullopt);
  return {codes, scale, zero_point};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16, on the CPU; bits 1 to 7; mapping "symmetric",
// "symmetric_no_clipping_err" or "asymmetric". codes (rows, cols * bits / 8) uint8, a little-endian
// bit stream of code + 2^(bits - 1) a row; scale float32 and zero_point int8 (rows, cols /
// group_size). x ~ (code - zero_point) * scale. eps: the smallest normal number of x's dtype.
// Without zero points that tensor is (0, 0).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_intx(Tensor x, int bits, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float? eps=None) -> (Tensor codes, Tensor scale, "
      "Tensor zero_point)");
  library.def(
      "quantize_intx.out(Tensor x, int bits, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float? eps=None, *, Tensor(a!) codes, Tensor(b!) scale, "
      "Tensor(c!)? zero_point=None) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_intx", TORCH_BOX(&quantize_intx));
  library.impl("quantize_intx.out", TORCH_BOX(&quantize_intx_out));
}

}  // namespace lowp::ops
