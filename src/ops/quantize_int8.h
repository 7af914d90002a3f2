// lowp::quantize_int8 on any device (ops/device.h); its schema is in quantize_int8.cpp.
#pragma once

#include "kernels/quantize_int8/quantize_int8.h"
#include "ops/affine.h"
#include "ops/device.h"

namespace lowp::ops {

inline constexpr char kQuantizeInt8[] = "lowp::quantize_int8";

template <class Device>
void quantize_int8_out(const Tensor& x, Shape block, std::string_view mapping,
                       std::optional<ScalarType> scale_dtype, double eps, const Tensor& codes,
                       const Tensor& scale, const std::optional<Tensor>& zero_point) {
  constexpr const char* kName = kQuantizeInt8;
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  const std::int64_t rows = matrix.rows;
  const std::int64_t cols = matrix.cols;
  const kernels::Block sizes = check_dividing_block(kName, block, rows, cols);
  const Mapping kind = check_int8_mapping(kName, mapping);
  const std::int64_t scale_rows = rows / sizes.rows;
  const std::int64_t scale_cols = cols / sizes.cols;
  Device::check_dense({kName, "codes", codes}, x, ScalarType::Char, {rows, cols});
  Device::check_dense({kName, "scale", scale}, x, ScalarType::Float, {scale_rows, scale_cols});
  check_int8_zero_point(kName, mapping, kind, zero_point.has_value());
  if (zero_point) {
    Device::check_dense({kName, "zero_point", *zero_point}, x, ScalarType::Char,
                        {scale_rows, scale_cols});
  }
  Device::run(x, kernels::QuantizeInt8Args{
                     .x = matrix,
                     .block = sizes,
                     .mapping = kind,
                     .scale_dtype = check_scale_dtype(kName, scale_dtype),
                     .epsilon = static_cast<float>(eps),
                     .codes = mutable_data<std::int8_t>(codes),
                     .scale = mutable_data<float>(scale),
                     .zero_point = zero_point ? mutable_data<std::int8_t>(*zero_point) : nullptr,
                     .parallel = nullptr,
                 });
}

template <class Device>
std::tuple<Tensor, Tensor, Tensor> quantize_int8(const Tensor& x, Shape block,
                                                 std::string_view mapping,
                                                 std::optional<ScalarType> scale_dtype,
                                                 double eps) {
  constexpr const char* kName = kQuantizeInt8;
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  const kernels::Block sizes = check_dividing_block(kName, block, matrix.rows, matrix.cols);
  const bool asymmetric = check_int8_mapping(kName, mapping) == Mapping::kAsymmetric;
  const std::int64_t scale_rows = matrix.rows / sizes.rows;
  const std::int64_t scale_cols = matrix.cols / sizes.cols;
  const Tensor codes = Device::empty(x, {matrix.rows, matrix.cols}, ScalarType::Char);
  const Tensor scale = Device::empty(x, {scale_rows, scale_cols}, ScalarType::Float);
  const Tensor zero_point = Device::empty(
      x, {asymmetric ? scale_rows : 0, asymmetric ? scale_cols : 0}, ScalarType::Char);
  quantize_int8_out<Device>(x, block, mapping, scale_dtype, eps, codes, scale,
                            asymmetric ? std::optional(zero_point) : std::nullopt);
  return {codes, scale, zero_point};
}

}  // namespace lowp::ops
