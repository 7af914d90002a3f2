#include "kernels/quantize_int4/quantize_int4.h"

#include <torch/csrc/stable/library.h>

#include "ops/affine.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_int4";

// One of the two zeros, which goes with one mapping alone.
template <class T>
T* check_zero(const char* name, const std::optional<Tensor>& tensor, bool wanted, ScalarType dtype,
              std::int64_t rows, std::int64_t groups) {
  check_int4_zero(kName, name, tensor.has_value(), wanted);
  if (!tensor) return nullptr;
  check_dense({kName, name, *tensor}, dtype, {rows, groups});
  return mutable_data<T>(*tensor);
}

void quantize_int4_out(const Tensor& x, std::int64_t group_size, std::string_view mapping,
                       std::optional<ScalarType> scale_dtype, double eps, const Tensor& codes,
                       const Tensor& scale, const std::optional<Tensor>& zero_point,
                       const std::optional<Tensor>& zero) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  check_int4_group(kName, matrix, group_size);
  const Mapping kind = check_int4_mapping(kName, mapping);
  const std::int64_t rows = matrix.rows;
  const std::int64_t groups = matrix.cols / group_size;
  check_dense({kName, "codes", codes}, ScalarType::Byte, {rows, matrix.cols / 2});
  check_dense({kName, "scale", scale}, ScalarType::Float, {rows, groups});
  kernels::quantize_int4({
      .x = matrix,
      .group_size = group_size,
      .mapping = kind,
      .scale_dtype = check_scale_dtype(kName, scale_dtype),
      .epsilon = static_cast<float>(eps),
      .codes = mutable_data<std::uint8_t>(codes),
      .scale = mutable_data<float>(scale),
      .zero_point = check_zero<std::int8_t>("zero_point", zero_point, kind == Mapping::kAsymmetric,
                                            ScalarType::Char, rows, groups),
      .zero = check_zero<float>("zero", zero, kind == Mapping::kFloatZero, ScalarType::Float, rows,
                                groups),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_int4(const Tensor& x, std::int64_t group_size,
                                                         std::string_view mapping,
                                                         std::optional<ScalarType> scale_dtype,
                                                         double eps) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  check_int4_group(kName, matrix, group_size);
  const Mapping kind = check_int4_mapping(kName, mapping);
  const std::int64_t rows = matrix.rows;
  const std::int64_t groups = matrix.cols / group_size;
  const auto absent_unless = [&](bool present, ScalarType dtype) {
    return empty({present ? rows : 0, present ? groups : 0}, dtype);
  };
  const Tensor codes = empty({rows, matrix.cols / 2}, ScalarType::Byte);
  const Tensor scale = empty({rows, groups}, ScalarType::Float);
  const Tensor zero_point = absent_unless(kind == Mapping::kAsymmetric, ScalarType::Char);
  const Tensor zero = absent_unless(kind == Mapping::kFloatZero, ScalarType::Float);
  quantize_int4_out(x, group_size, mapping, scale_dtype, eps, codes, scale,
                    kind == Mapping::kAsymmetric ? std::optional(zero_point) : std::nullopt,
                    kind == Mapping::kFloatZero ? std::optional(zero) : std::nullopt);
  return {codes, scale, zero_point, zero};
}

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; mapping "symmetric", "asymmetric" or "float_zero".
// codes (rows, cols / 2) uint8, two's-complement nibbles, even column low; scale float32,
// zero_point int8 and zero float32 (rows, cols / group_size). x ~ (code - zero_point) * scale, or
// code * scale + zero. The zeros that the mapping does not have are (0, 0).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_int4(Tensor x, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07) -> (Tensor codes, Tensor "
      "scale, Tensor zero_point, Tensor zero)");
  library.def(
      "quantize_int4.out(Tensor x, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07, *, Tensor(a!) codes, "
      "Tensor(b!) scale, Tensor(c!)? zero_point=None, Tensor(d!)? zero=None) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_int4", TORCH_BOX(&quantize_int4));
  library.impl("quantize_int4.out", TORCH_BOX(&quantize_int4_out));
}

}  // namespace lowp::ops
