// lowp::quantize_int4 on any device (ops/device.h); its schema is in quantize_int4.cpp.
#pragma once

#include "kernels/quantize_int4/quantize_int4.h"
#include "ops/affine.h"
#include "ops/device.h"

namespace lowp::ops {

inline constexpr char kQuantizeInt4[] = "lowp::quantize_int4";

// One of the two zeros, which goes with one mapping alone.
template <class T, class Device>
T* check_int4_zero_of(const char* name, const Tensor& x, const std::optional<Tensor>& tensor,
                      bool wanted, ScalarType dtype, std::int64_t rows, std::int64_t groups) {
  check_int4_zero(kQuantizeInt4, name, tensor.has_value(), wanted);
  if (!tensor) return nullptr;
  Device::check_dense({kQuantizeInt4, name, *tensor}, x, dtype, {rows, groups});
  return mutable_data<T>(*tensor);
}

template <class Device>
void quantize_int4_out(const Tensor& x, std::int64_t group_size, std::string_view mapping,
                       std::optional<ScalarType> scale_dtype, double eps, const Tensor& codes,
                       const Tensor& scale, const std::optional<Tensor>& zero_point,
                       const std::optional<Tensor>& zero) {
  constexpr const char* kName = kQuantizeInt4;
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  check_int4_group(kName, matrix, group_size);
  const Mapping kind = check_int4_mapping(kName, mapping);
  const std::int64_t rows = matrix.rows;
  const std::int64_t groups = matrix.cols / group_size;
  Device::check_dense({kName, "codes", codes}, x, ScalarType::Byte, {rows, matrix.cols / 2});
  Device::check_dense({kName, "scale", scale}, x, ScalarType::Float, {rows, groups});
  Device::run(
      x, kernels::QuantizeInt4Args{
             .x = matrix,
             .group_size = group_size,
             .mapping = kind,
             .scale_dtype = check_scale_dtype(kName, scale_dtype),
             .epsilon = static_cast<float>(eps),
             .codes = mutable_data<std::uint8_t>(codes),
             .scale = mutable_data<float>(scale),
             .zero_point = check_int4_zero_of<std::int8_t, Device>("zero_point", x, zero_point,
                                                                   kind == Mapping::kAsymmetric,
                                                                   ScalarType::Char, rows, groups),
             .zero = check_int4_zero_of<float, Device>("zero", x, zero, kind == Mapping::kFloatZero,
                                                       ScalarType::Float, rows, groups),
             .parallel = nullptr,
         });
}

template <class Device>
std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_int4(const Tensor& x, std::int64_t group_size,
                                                         std::string_view mapping,
                                                         std::optional<ScalarType> scale_dtype,
                                                         double eps) {
  constexpr const char* kName = kQuantizeInt4;
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  check_int4_group(kName, matrix, group_size);
  const Mapping kind = check_int4_mapping(kName, mapping);
  const std::int64_t rows = matrix.rows;
  const std::int64_t groups = matrix.cols / group_size;
  const auto absent_unless = [&](bool present, ScalarType dtype) {
    return Device::empty(x, {present ? rows : 0, present ? groups : 0}, dtype);
  };
  const Tensor codes = Device::empty(x, {rows, matrix.cols / 2}, ScalarType::Byte);
  const Tensor scale = Device::empty(x, {rows, groups}, ScalarType::Float);
  const Tensor zero_point = absent_unless(kind == Mapping::kAsymmetric, ScalarType::Char);
  const Tensor zero = absent_unless(kind == Mapping::kFloatZero, ScalarType::Float);
  quantize_int4_out<Device>(x, group_size, mapping, scale_dtype, eps, codes, scale,
                            kind == Mapping::kAsymmetric ? std::optional(zero_point) : std::nullopt,
                            kind == Mapping::kFloatZero ? std::optional(zero) : std::nullopt);
  return {codes, scale, zero_point, zero};
}

}  // namespace lowp::ops
