// lowp::quantize_mx and lowp::quantize_mx_both on any device (ops/device.h); their schemas are in
// quantize_mx.cpp.
#pragma once

#include "ops/device.h"
#include "ops/mx.h"

namespace lowp::ops {

inline constexpr char kQuantizeMx[] = "lowp::quantize_mx";
inline constexpr char kQuantizeMxBoth[] = "lowp::quantize_mx_both";
inline constexpr std::int64_t kBothBlock = 32;

// Along dim 1 those of x's rows, along dim 0 those of its columns; none if the dimension is not
// wanted.
struct MxResult {
  std::uint8_t* codes = nullptr;
  std::uint8_t* scale = nullptr;
};

struct MxTensors {
  Tensor codes;
  Tensor scale;
};

template <class Device>
MxTensors empty_mx(const MxRequest& request, const Tensor& x, std::int64_t dim) {
  const kernels::Matrix matrix = Device::check_input({request.operation, "x", x});
  const auto [codes, scale] = request.shapes(matrix.rows, matrix.cols, dim);
  return {Device::empty(x, {codes.rows, codes.cols}, codes_dtype(request.element)),
          Device::empty(x, {scale.rows, scale.cols}, ScalarType::Float8_e8m0fnu)};
}

template <class Device>
MxResult check_mx_result(const MxRequest& request, const Tensor& x, const kernels::Matrix& matrix,
                         std::int64_t dim, const Argument& codes, const Argument& scale) {
  const MxShapes shapes = request.shapes(matrix.rows, matrix.cols, dim);
  Device::check_dense(codes, x, codes_dtype(request.element),
                      {shapes.codes.rows, shapes.codes.cols});
  Device::check_dense(scale, x, ScalarType::Float8_e8m0fnu, {shapes.scale.rows, shapes.scale.cols});
  return {mutable_data<std::uint8_t>(codes.tensor), mutable_data<std::uint8_t>(scale.tensor)};
}

template <class Device>
void quantize_mx_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                     std::int64_t block_size, std::int64_t dim, bool swizzled, const Tensor& codes,
                     const Tensor& scale) {
  constexpr const char* kName = kQuantizeMx;
  const MxRequest request(kName, element, scaling_mode, block_size, swizzled);
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  dim = check_dim(kName, dim);
  const MxResult result = check_mx_result<Device>(request, x, matrix, dim, {kName, "codes", codes},
                                                  {kName, "scale", scale});
  Device::run(request, x, matrix, dim == 1 ? result : MxResult{}, dim == 0 ? result : MxResult{});
}

template <class Device>
std::tuple<Tensor, Tensor> quantize_mx(const Tensor& x, std::string_view element,
                                       std::string_view scaling_mode, std::int64_t block_size,
                                       std::int64_t dim, bool swizzled) {
  const MxRequest request(kQuantizeMx, element, scaling_mode, block_size, swizzled);
  const auto [codes, scale] = empty_mx<Device>(request, x, check_dim(kQuantizeMx, dim));
  quantize_mx_out<Device>(x, element, scaling_mode, block_size, dim, swizzled, codes, scale);
  return {codes, scale};
}

template <class Device>
void quantize_mx_both_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                          bool swizzled, const Tensor& codes, const Tensor& scale,
                          const Tensor& codes_t, const Tensor& scale_t) {
  constexpr const char* kName = kQuantizeMxBoth;
  const MxRequest request(kName, element, scaling_mode, kBothBlock, swizzled);
  const kernels::Matrix matrix = Device::check_input({kName, "x", x});
  const MxResult along_rows = check_mx_result<Device>(
      request, x, matrix, 1, {kName, "codes", codes}, {kName, "scale", scale});
  const MxResult along_cols = check_mx_result<Device>(
      request, x, matrix, 0, {kName, "codes_t", codes_t}, {kName, "scale_t", scale_t});
  Device::run(request, x, matrix, along_rows, along_cols);
}

template <class Device>
std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_mx_both(const Tensor& x,
                                                            std::string_view element,
                                                            std::string_view scaling_mode,
                                                            bool swizzled) {
  const MxRequest request(kQuantizeMxBoth, element, scaling_mode, kBothBlock, swizzled);
  const auto [codes, scale] = empty_mx<Device>(request, x, 1);
  const auto [codes_t, scale_t] = empty_mx<Device>(request, x, 0);
  quantize_mx_both_out<Device>(x, element, scaling_mode, swizzled, codes, scale, codes_t, scale_t);
  return {codes, scale, codes_t, scale_t};
}

}  // namespace lowp::ops
