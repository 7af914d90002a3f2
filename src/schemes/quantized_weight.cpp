#include "schemes/quantized_weight.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "formats/affine.h"
#include "formats/e4m3.h"
#include "formats/fp16.h"
#include "formats/fp8_scale.h"
#include "formats/nvfp4.h"
#include "kernels/dequantize_fp8/dequantize_fp8.h"
#include "kernels/dequantize_int4/dequantize_int4.h"
#include "kernels/dequantize_int8/dequantize_int8.h"
#include "kernels/dequantize_intx/dequantize_intx.h"
#include "kernels/dequantize_mx/dequantize_mx.h"
#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"
#include "kernels/pack_fp6/pack_fp6.h"
#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/quantize_int4/quantize_int4.h"
#include "kernels/quantize_int8/quantize_int8.h"
#include "kernels/quantize_intx/quantize_intx.h"
#include "kernels/quantize_mx/quantize_mx.h"
#include "kernels/quantize_nvfp4/quantize_nvfp4.h"
#include "lowp/error.h"

namespace lowp {
namespace {

using kernels::Block;
using kernels::Matrix;
using kernels::MutableMatrix;
using kernels::ParallelFor;

std::size_t ceil_div(std::int64_t a, std::int64_t b) {
  return static_cast<std::size_t>((a + b - 1) / b);
}

std::size_t scale_count(const Scheme& scheme, std::int64_t n, std::int64_t k) {
  const Block block = scale_block(scheme, n, k);
  return ceil_div(n, block.rows) * ceil_div(k, block.cols);
}

void check(const Scheme& scheme, const Matrix& weight) {
  if (weight.dtype != DType::kF32 && weight.dtype != DType::kF16 && weight.dtype != DType::kBF16) {
    throw Error(
        fmt::format("[quantize weight] dtype cannot be quantized, got {}, expected F32, "
                    "F16 or BF16",
                    name(weight.dtype)));
  }
  const std::string reason = why_not(scheme, weight.rows, weight.cols);
  if (!reason.empty()) {
    throw Error(fmt::format("[quantize weight] {} does not fit: {}", scheme.name, reason));
  }
}

void quantize_int8(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel) {
  out.scale.resize(scale_count(out.scheme, out.n, out.k));
  kernels::quantize_int8({.x = weight,
                          .block = scale_block(out.scheme, out.n, out.k),
                          .mapping = out.scheme.mapping,
                          .scale_dtype = out.scale_dtype,
                          .epsilon = kFp32Epsilon,
                          .codes = reinterpret_cast<std::int8_t*>(out.codes.data()),
                          .scale = out.scale.data(),
                          .zero_point = nullptr,
                          .parallel = parallel});
}

void quantize_int4(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel) {
  const std::size_t groups = scale_count(out.scheme, out.n, out.k);
  out.scale.resize(groups);
  if (out.scheme.mapping == Mapping::kAsymmetric) out.zero_point.resize(groups);
  if (out.scheme.mapping == Mapping::kFloatZero) out.zero.resize(groups);
  kernels::quantize_int4({.x = weight,
                          .group_size = scale_block(out.scheme, out.n, out.k).cols,
                          .mapping = out.scheme.mapping,
                          .scale_dtype = out.scale_dtype,
                          .epsilon = kFp32Epsilon,
                          .codes = out.codes.data(),
                          .scale = out.scale.data(),
                          .zero_point = out.zero_point.empty() ? nullptr : out.zero_point.data(),
                          .zero = out.zero.empty() ? nullptr : out.zero.data(),
                          .parallel = parallel});
}

void quantize_intx(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel) {
  const std::size_t groups = scale_count(out.scheme, out.n, out.k);
  out.scale.resize(groups);
  if (out.scheme.mapping == Mapping::kAsymmetric) out.zero_point.resize(groups);
  kernels::quantize_intx(
      {.x = weight,
       .bits = out.scheme.bits,
       .group_size = scale_block(out.scheme, out.n, out.k).cols,
       .mapping = out.scheme.mapping,
       .scale_dtype = out.scale_dtype,
       .epsilon = weight.dtype == DType::kF16 ? Fp16::kSmallestNormal : Fp32::kSmallestNormal,
       .codes = out.codes.data(),
       .scale = out.scale.data(),
       .zero_point = out.zero_point.empty() ? nullptr : out.zero_point.data(),
       .parallel = parallel});
}

void quantize_fp8(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel,
                  const float* given_amax) {
  out.scale.resize(scale_count(out.scheme, out.n, out.k));
  float static_scale = 0;
  if (given_amax) static_scale = fp8_scale<E4m3>(out.scale_dtype, *given_amax);
  kernels::quantize_fp8({.x = weight,
                         .block = scale_block(out.scheme, out.n, out.k),
                         .element = DType::kF8E4M3,
                         .scale_dtype = out.scale_dtype,
                         .static_scale = given_amax ? &static_scale : nullptr,
                         .codes = out.codes.data(),
                         .scale = out.scale.data(),
                         .parallel = parallel});
}

void quantize_mx(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel,
                 MxScaleMode mode) {
  const bool fp6 = is_mxfp6(out.scheme.weight);
  std::vector<std::uint8_t> bytes(fp6 ? static_cast<std::size_t>(out.n * out.k) : 0);
  out.block_scale.resize(scale_count(out.scheme, out.n, out.k));
  kernels::quantize_mx({.x = weight,
                        .block_size = out.scheme.group_size,
                        .element = mx_element(out.scheme.weight),
                        .mode = mode,
                        .codes = fp6 ? bytes.data() : out.codes.data(),
                        .scale = out.block_scale.data(),
                        .parallel = parallel});
  if (!fp6) return;
  kernels::pack_fp6({.codes = bytes.data(),
                     .rows = out.n,
                     .cols = out.k,
                     .packed = out.codes.data(),
                     .parallel = parallel});
}

// `codes`: of the rows from `begin` on.
void dequantize_mx(const QuantizedWeight& weight, const std::uint8_t* codes, std::int64_t begin,
                   const MutableMatrix& out, const ParallelFor* parallel) {
  std::vector<std::uint8_t> bytes;
  if (is_mxfp6(weight.scheme.weight)) {
    bytes.resize(static_cast<std::size_t>(out.rows * out.cols));
    kernels::unpack_fp6({.packed = codes,
                         .codes = bytes.data(),
                         .rows = out.rows,
                         .cols = out.cols,
                         .parallel = parallel});
    codes = bytes.data();
  }
  kernels::dequantize_mx(
      {.codes = codes,
       .element = mx_element(weight.scheme.weight),
       .block_size = weight.scheme.group_size,
       .scale = weight.block_scale.data() + begin * (weight.k / weight.scheme.group_size),
       .out = out,
       .parallel = parallel});
}

void quantize_nvfp4(QuantizedWeight& out, const Matrix& weight, const ParallelFor* parallel,
                    const float* given_amax) {
  out.block_scale.resize(scale_count(out.scheme, out.n, out.k));
  float static_scale = 0;
  if (given_amax) static_scale = nvfp4_inference_scale(*given_amax).decode;
  kernels::quantize_nvfp4({.x = weight,
                           .recipe = Nvfp4Recipe::kInference,
                           .block_scale_floor = kNvfp4BlockScaleFloor,
                           .static_tensor_scale = given_amax ? &static_scale : nullptr,
                           .codes = out.codes.data(),
                           .block_scale = out.block_scale.data(),
                           .tensor_scale = &out.tensor_scale,
                           .parallel = parallel});
}

// The e4m3 code of each e2m1 code: every e2m1 value is one of e4m3, negative zero included.
constexpr std::array<std::uint8_t, 16> kE4m3OfE2m1{0x00, 0x30, 0x38, 0x3C, 0x40, 0x44, 0x48, 0x4C,
                                                   0x80, 0xB0, 0xB8, 0xBC, 0xC0, 0xC4, 0xC8, 0xCC};

// Both codes of a byte as two bytes, the even column first.
constexpr std::array<std::uint16_t, 256> kE4m3PairOfByte = [] {
  std::array<std::uint16_t, 256> pairs{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    pairs[byte] = static_cast<std::uint16_t>(kE4m3OfE2m1[byte % 16] | kE4m3OfE2m1[byte / 16] << 8);
  }
  return pairs;
}();

// compressed-tensors divides each block scale by the global scale and multiplies the codes by the
// fp32 quotient: one rounding more than with the tensor scale, and one at another place.
void dequantize_nvfp4_by_division(const QuantizedWeight& weight, std::int64_t begin,
                                  const MutableMatrix& out, const ParallelFor* parallel) {
  const std::int64_t blocks = weight.k / kNvfp4Block;
  const auto body = [&](std::int64_t first, std::int64_t last) {
    std::vector<std::uint16_t> codes(static_cast<std::size_t>(weight.k / 2));
    std::vector<float> scale(static_cast<std::size_t>(blocks));
    for (std::int64_t row = first; row < last; ++row) {
      const std::uint8_t* packed = weight.codes.data() + (begin + row) * (weight.k / 2);
      const std::uint8_t* block_scale = weight.block_scale.data() + (begin + row) * blocks;
      for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = kE4m3PairOfByte[packed[i]];
      for (std::size_t i = 0; i < scale.size(); ++i) {
        scale[i] = E4m3::to_float(block_scale[i]) / weight.reciprocal_tensor_scale;
      }
      const std::int64_t offset = row * out.stride * bits(out.dtype) / 8;
      kernels::dequantize_fp8(
          {.codes = reinterpret_cast<const std::uint8_t*>(codes.data()),
           .element = DType::kF8E4M3,
           .block = {1, kNvfp4Block},
           .scale = scale.data(),
           .out = {static_cast<std::byte*>(out.data) + offset, out.dtype, 1, weight.k, weight.k},
           .parallel = nullptr});
    }
  };
  kernels::parallel_for(parallel, out.rows, 16, body);
}

void dequantize_nvfp4(const QuantizedWeight& weight, std::int64_t begin, const MutableMatrix& out,
                      const ParallelFor* parallel) {
  if (weight.reciprocal_tensor_scale != 0) {
    dequantize_nvfp4_by_division(weight, begin, out, parallel);
    return;
  }
  kernels::dequantize_nvfp4(
      {.codes = weight.codes.data() + begin * (weight.k / 2),
       .block_scale = weight.block_scale.data() + begin * (weight.k / kNvfp4Block),
       .tensor_scale = &weight.tensor_scale,
       .out = out,
       .parallel = parallel});
}

template <class Bits>
Bits largest_bits(const void* row, std::int64_t count, Bits mask) {
  const auto* values = static_cast<const Bits*>(row);
  Bits largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, static_cast<Bits>(values[i] & mask));
  }
  return largest;
}

}  // namespace

std::int64_t QuantizedWeight::byte_count() const {
  const std::size_t scales =
      (scale.size() + zero.size()) * static_cast<std::size_t>(bits(scale_dtype)) / 8;
  const std::size_t tensor = scheme.weight == WeightFormat::kNvfp4 ? sizeof(float) : 0;
  return static_cast<std::int64_t>(codes.size() + scales + block_scale.size() + zero_point.size() +
                                   tensor);
}

Block scale_block(const Scheme& scheme, std::int64_t n, std::int64_t k) {
  switch (scheme.granularity) {
    case Granularity::kTensor:
      return {n, k};
    case Granularity::kRow:
      return {1, k};
    case Granularity::kGroup:
      return {1, scheme.group_size};
    case Granularity::kBlock128:
      return {128, 128};
  }
  return {n, k};
}

void quantize_weight_into(QuantizedWeight& out, const Scheme& scheme, const Matrix& weight,
                          const ParallelFor* parallel, const QuantizeWeightOptions& options) {
  check(scheme, weight);
  const bool fp8 = scheme.weight == WeightFormat::kFp8;
  out.scheme = scheme;
  out.n = weight.rows;
  out.k = weight.cols;
  out.dtype = weight.dtype;
  out.scale_dtype = options.scale_dtype.value_or(fp8 ? DType::kF32 : weight.dtype);
  out.codes.resize(static_cast<std::size_t>(weight.rows * weight.cols * scheme.bits / 8));
  out.scale.clear();
  out.block_scale.clear();
  out.zero_point.clear();
  out.zero.clear();
  out.tensor_scale = 1;
  out.reciprocal_tensor_scale = 0;
  const bool one_scale =
      scheme.granularity == Granularity::kTensor || scheme.weight == WeightFormat::kNvfp4;
  const float* shared = one_scale && options.amax ? &*options.amax : nullptr;
  switch (scheme.weight) {
    case WeightFormat::kInt8:
      return quantize_int8(out, weight, parallel);
    case WeightFormat::kInt4:
      return quantize_int4(out, weight, parallel);
    case WeightFormat::kIntx:
      return quantize_intx(out, weight, parallel);
    case WeightFormat::kFp8:
      return quantize_fp8(out, weight, parallel, shared);
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
    case WeightFormat::kMxfp4:
      return quantize_mx(out, weight, parallel, options.mx_scale_mode);
    case WeightFormat::kNvfp4:
      return quantize_nvfp4(out, weight, parallel, shared);
  }
}

QuantizedWeight quantize_weight(const Scheme& scheme, const Matrix& weight,
                                const ParallelFor* parallel, const QuantizeWeightOptions& options) {
  QuantizedWeight out;
  quantize_weight_into(out, scheme, weight, parallel, options);
  return out;
}

void dequantize_weight(const QuantizedWeight& weight, const MutableMatrix& out,
                       const ParallelFor* parallel) {
  if (out.rows != weight.n || out.cols != weight.k) {
    throw Error(
        fmt::format("[dequantize weight] output has the wrong shape, got ({}, {}), "
                    "expected ({}, {})",
                    out.rows, out.cols, weight.n, weight.k));
  }
  dequantize_weight_rows(weight, 0, out, parallel);
}

void dequantize_weight_rows(const QuantizedWeight& weight, std::int64_t begin,
                            const MutableMatrix& out, const ParallelFor* parallel) {
  const bool blocks = weight.scheme.granularity == Granularity::kBlock128;
  const std::int64_t end = begin + out.rows;
  if (begin < 0 || end > weight.n || out.cols != weight.k ||
      (blocks && begin % 128 != 0 && begin / 128 != (end - 1) / 128)) {
    throw Error(
        fmt::format("[dequantize weight] rows [{}, {}) of {} columns do not fit the "
                    "weight ({}, {})",
                    begin, end, out.cols, weight.n, weight.k));
  }
  const std::size_t scale_columns =
      ceil_div(weight.k, scale_block(weight.scheme, weight.n, weight.k).cols);
  std::size_t scale_row = static_cast<std::size_t>(begin);
  if (blocks) scale_row /= 128;
  if (weight.scheme.granularity == Granularity::kTensor) scale_row = 0;
  const std::size_t scale_begin = scale_row * scale_columns;
  Block block = scale_block(weight.scheme, out.rows, weight.k);
  const std::uint8_t* codes = weight.codes.data() + begin * weight.k * weight.scheme.bits / 8;
  switch (weight.scheme.weight) {
    case WeightFormat::kInt8:
      return kernels::dequantize_int8({.codes = reinterpret_cast<const std::int8_t*>(codes),
                                       .block = block,
                                       .scale = weight.scale.data() + scale_begin,
                                       .zero_point = nullptr,
                                       .out = out,
                                       .parallel = parallel});
    case WeightFormat::kInt4:
      return kernels::dequantize_int4(
          {.codes = codes,
           .group_size = block.cols,
           .scale = weight.scale.data() + scale_begin,
           .zero_point =
               weight.zero_point.empty() ? nullptr : weight.zero_point.data() + scale_begin,
           .zero = weight.zero.empty() ? nullptr : weight.zero.data() + scale_begin,
           .out = out,
           .parallel = parallel});
    case WeightFormat::kIntx:
      return kernels::dequantize_intx({.codes = codes,
                                       .bits = weight.scheme.bits,
                                       .group_size = block.cols,
                                       .scale = weight.scale.data() + scale_begin,
                                       .zero_point = weight.zero_point.empty()
                                                         ? nullptr
                                                         : weight.zero_point.data() + scale_begin,
                                       .out = out,
                                       .parallel = parallel});
    case WeightFormat::kFp8:
      return kernels::dequantize_fp8({.codes = codes,
                                      .element = DType::kF8E4M3,
                                      .block = block,
                                      .scale = weight.scale.data() + scale_begin,
                                      .out = out,
                                      .parallel = parallel});
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
    case WeightFormat::kMxfp4:
      return dequantize_mx(weight, codes, begin, out, parallel);
    case WeightFormat::kNvfp4:
      return dequantize_nvfp4(weight, begin, out, parallel);
  }
}

float amax(const Matrix& x) {
  // Without their sign, the bits of floats are ordered as their values are, NaN above Inf.
  std::uint32_t largest = 0;
  for (std::int64_t row = 0; row < x.rows; ++row) {
    const auto* data = static_cast<const std::byte*>(x.data) + row * x.stride * bits(x.dtype) / 8;
    largest = std::max(largest, x.dtype == DType::kF32
                                    ? largest_bits<std::uint32_t>(data, x.cols, 0x7FFFFFFF)
                                    : largest_bits<std::uint16_t>(data, x.cols, 0x7FFF));
  }
  if (x.dtype == DType::kF32) return std::bit_cast<float>(largest);
  if (x.dtype == DType::kBF16) return std::bit_cast<float>(largest << 16);
  return Fp16::to_float(static_cast<std::uint16_t>(largest));
}

}  // namespace lowp
