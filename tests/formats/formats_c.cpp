// The formats as a C library, for the oracle tests to call with numpy's arrays. Every function
// works on `count` values or blocks; enums are passed by their numbers.
#include <cstdint>

#include "formats/affine.h"
#include "formats/fp8_scale.h"
#include "formats/mx.h"
#include "formats/nvfp4.h"
#include "formats/packing.h"
#include "formats/swizzle.h"

namespace {

using namespace lowp;

template <class Format, class Code>
void encode(const float* x, std::int64_t count, void* codes) {
  for (std::int64_t i = 0; i < count; ++i) static_cast<Code*>(codes)[i] = Format::from_float(x[i]);
}

template <class Format, class Code>
void decode(const void* codes, std::int64_t count, float* x) {
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] = Format::to_float(static_cast<const Code*>(codes)[i]);
  }
}

struct Range {
  float min;
  float max;
  std::uint32_t amax_bits;
};

Range range_of(const float* block, std::int64_t size) {
  Range range{block[0], block[0], 0};
  for (std::int64_t i = 0; i < size; ++i) {
    range.min = min_or_nan(range.min, block[i]);
    range.max = max_or_nan(range.max, block[i]);
    range.amax_bits = range.amax_bits < abs_bits(block[i]) ? abs_bits(block[i]) : range.amax_bits;
  }
  return range;
}

template <class Arithmetic>
void affine_codes(const float* x, std::int64_t size, AffineParams params, IntRange range,
                  std::int32_t* codes) {
  const float reciprocal = affine_reciprocal<Arithmetic>(params.scale);
  for (std::int64_t i = 0; i < size; ++i) {
    codes[i] = affine_quantize<Arithmetic>(x[i], reciprocal, params.zero_point, range);
  }
}

template <class Arithmetic>
void tinygemm(const float* x, std::int64_t blocks, std::int64_t size, IntRange range, float epsilon,
              std::int32_t* codes, float* scale, float* zero, float* value) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float* block = x + b * size;
    const Range extent = range_of(block, size);
    const FloatZeroParams params =
        choose_float_zero_params<Arithmetic>(extent.min, extent.max, range, epsilon);
    scale[b] = params.scale;
    zero[b] = params.zero;
    for (std::int64_t i = 0; i < size; ++i) {
      const int code = float_zero_quantize<Arithmetic>(block[i], params, range);
      codes[b * size + i] = code;
      value[b * size + i] = float_zero_dequantize<Arithmetic>(code, params, range);
    }
  }
}

}  // namespace

#define LOWP_C extern "C" __attribute__((visibility("default")))

LOWP_C void lowp_encode(int dtype, const float* x, std::int64_t count, void* codes) {
  switch (static_cast<DType>(dtype)) {
    case DType::kBF16:
      return encode<Bf16, std::uint16_t>(x, count, codes);
    case DType::kF16:
      return encode<Fp16, std::uint16_t>(x, count, codes);
    case DType::kF8E4M3:
      return encode<E4m3, std::uint8_t>(x, count, codes);
    case DType::kF8E5M2:
      return encode<E5m2, std::uint8_t>(x, count, codes);
    case DType::kF6E2M3:
      return encode<E2m3, std::uint8_t>(x, count, codes);
    case DType::kF6E3M2:
      return encode<E3m2, std::uint8_t>(x, count, codes);
    default:
      return encode<E2m1, std::uint8_t>(x, count, codes);
  }
}

LOWP_C void lowp_decode(int dtype, const void* codes, std::int64_t count, float* x) {
  switch (static_cast<DType>(dtype)) {
    case DType::kBF16:
      return decode<Bf16, std::uint16_t>(codes, count, x);
    case DType::kF16:
      return decode<Fp16, std::uint16_t>(codes, count, x);
    case DType::kF8E4M3:
      return decode<E4m3, std::uint8_t>(codes, count, x);
    case DType::kF8E5M2:
      return decode<E5m2, std::uint8_t>(codes, count, x);
    case DType::kF6E2M3:
      return decode<E2m3, std::uint8_t>(codes, count, x);
    case DType::kF6E3M2:
      return decode<E3m2, std::uint8_t>(codes, count, x);
    case DType::kF8E8M0:
      return decode<E8m0, std::uint8_t>(codes, count, x);
    default:
      return decode<E2m1, std::uint8_t>(codes, count, x);
  }
}

// x (blocks, size); `parameters`: arithmetic of scale and zero point; `codes_in`: of the codes.
LOWP_C void lowp_affine(int mapping, int parameters, int codes_in, int min, int max, float epsilon,
                        const float* x, std::int64_t blocks, std::int64_t size, std::int32_t* codes,
                        float* scale, std::int32_t* zero_point, float* value) {
  const IntRange range{min, max};
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float* block = x + b * size;
    const Range extent = range_of(block, size);
    const AffineParams params =
        choose_affine_params(static_cast<DType>(parameters), extent.min, extent.max,
                             static_cast<Mapping>(mapping), range, epsilon);
    scale[b] = params.scale;
    zero_point[b] = params.zero_point;
    std::int32_t* out = codes + b * size;
    switch (static_cast<DType>(codes_in)) {
      case DType::kBF16:
        affine_codes<Bf16>(block, size, params, range, out);
        break;
      case DType::kF16:
        affine_codes<Fp16>(block, size, params, range, out);
        break;
      default:
        affine_codes<Fp32>(block, size, params, range, out);
        break;
    }
    for (std::int64_t i = 0; i < size; ++i) {
      value[b * size + i] = affine_dequantize(out[i], params.scale, params.zero_point);
    }
  }
}

LOWP_C void lowp_tinygemm(int arithmetic, int min, int max, float epsilon, const float* x,
                          std::int64_t blocks, std::int64_t size, std::int32_t* codes, float* scale,
                          float* zero, float* value) {
  const IntRange range{min, max};
  switch (static_cast<DType>(arithmetic)) {
    case DType::kBF16:
      return tinygemm<Bf16>(x, blocks, size, range, epsilon, codes, scale, zero, value);
    case DType::kF16:
      return tinygemm<Fp16>(x, blocks, size, range, epsilon, codes, scale, zero, value);
    default:
      return tinygemm<Fp32>(x, blocks, size, range, epsilon, codes, scale, zero, value);
  }
}

LOWP_C void lowp_int4_float_zero(const float* x, std::int64_t blocks, std::int64_t size,
                                 std::int32_t* codes, float* scale, float* zero) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Range extent = range_of(x + b * size, size);
    const FloatZeroParams params = int4_float_zero_params(extent.min, extent.max);
    scale[b] = params.scale;
    zero[b] = params.zero;
    for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
      codes[i] = int4_float_zero_quantize(x[i], extent.min, params.scale);
    }
  }
}

LOWP_C void lowp_int4_fp8(const float* x, std::int64_t blocks, std::int64_t size,
                          std::int32_t* codes, float* scale) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    scale[b] = int4_fp8_scale(from_bits(range_of(x + b * size, size).amax_bits));
    for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
      codes[i] = int4_fp8_quantize(x[i], scale[b]);
    }
  }
}

enum class Fp8Rule { kInference, kTraining, kTrainingPowerOfTwo, kBlockwiseTraining, kPowerOfTwo };

// Scales from amaxes; kPowerOfTwo is the inference scale rounded on the logarithmic scale.
LOWP_C void lowp_fp8_scale(int element, int rule, int arithmetic, const float* amax,
                           std::int64_t count, float* scale) {
  const auto one = [&](auto format, float x) {
    using Element = decltype(format);
    switch (static_cast<Fp8Rule>(rule)) {
      case Fp8Rule::kTraining:
        return fp8_training_scale<Element>(x);
      case Fp8Rule::kTrainingPowerOfTwo:
        return round_down_to_power_of_two(fp8_training_scale<Element>(x));
      case Fp8Rule::kBlockwiseTraining:
        return fp8_blockwise_training_scale<Element>(x);
      case Fp8Rule::kPowerOfTwo:
        return round_to_power_of_two(fp8_scale<Element>(static_cast<DType>(arithmetic), x));
      default:
        return fp8_scale<Element>(static_cast<DType>(arithmetic), x);
    }
  };
  for (std::int64_t i = 0; i < count; ++i) {
    scale[i] =
        static_cast<DType>(element) == DType::kF8E4M3 ? one(E4m3{}, amax[i]) : one(E5m2{}, amax[i]);
  }
}

LOWP_C void lowp_fp8_quantize(int element, const float* x, const float* scale, std::int64_t blocks,
                              std::int64_t size, std::uint8_t* codes, float* value) {
  for (std::int64_t i = 0; i < blocks * size; ++i) {
    const float s = scale[i / size];
    if (static_cast<DType>(element) == DType::kF8E4M3) {
      codes[i] = fp8_quantize<E4m3>(x[i], s);
      value[i] = fp8_dequantize<E4m3>(codes[i], s);
    } else {
      codes[i] = fp8_quantize<E5m2>(x[i], s);
      value[i] = fp8_dequantize<E5m2>(codes[i], s);
    }
  }
}

LOWP_C void lowp_mx_scale(int element, int mode, const std::uint32_t* amax_bits, std::int64_t count,
                          std::uint8_t* scale) {
  with_mx_element(static_cast<DType>(element), [&](auto format) {
    for (std::int64_t i = 0; i < count; ++i) {
      scale[i] = mx_scale<decltype(format)>(amax_bits[i], static_cast<MxScaleMode>(mode));
    }
  });
}

LOWP_C void lowp_mx(int element, int mode, const float* x, std::int64_t blocks, std::int64_t size,
                    std::uint8_t* codes, std::uint8_t* scale, float* value) {
  with_mx_element(static_cast<DType>(element), [&](auto format) {
    using Element = decltype(format);
    for (std::int64_t b = 0; b < blocks; ++b) {
      scale[b] =
          mx_scale<Element>(range_of(x + b * size, size).amax_bits, static_cast<MxScaleMode>(mode));
      for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
        codes[i] = mx_quantize<Element>(x[i], E8m0::reciprocal(scale[b]));
        value[i] = mx_dequantize<Element>(codes[i], E8m0::to_float(scale[b]));
      }
    }
  });
}

// `tensor`: stored scale and its reciprocal as the recipe computes it.
LOWP_C void lowp_nvfp4_tensor_scale(int recipe, float amax, float* tensor) {
  const Nvfp4TensorScale scale = nvfp4_tensor_scale(static_cast<Nvfp4Recipe>(recipe), amax);
  tensor[0] = scale.decode;
  tensor[1] = scale.encode;
}

LOWP_C void lowp_nvfp4(int recipe, float floor, const float* tensor, const float* x,
                       std::int64_t blocks, std::int64_t size, std::uint8_t* codes,
                       std::uint8_t* block_scale, float* value) {
  const Nvfp4TensorScale scale{tensor[0], tensor[1]};
  const auto which = static_cast<Nvfp4Recipe>(recipe);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float amax = from_bits(range_of(x + b * size, size).amax_bits);
    block_scale[b] = nvfp4_block_scale(which, amax, scale, floor);
    const float multiplier = nvfp4_multiplier(which, block_scale[b], scale);
    for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
      codes[i] = nvfp4_quantize(x[i], multiplier);
      value[i] = nvfp4_dequantize(codes[i], block_scale[b], scale.decode);
    }
  }
}

LOWP_C void lowp_pack_words(const std::int8_t* codes, std::int64_t count, int bits,
                            std::uint32_t* words) {
  pack_words(codes, count, bits, words);
}

LOWP_C void lowp_pack_bit_stream(const std::uint8_t* codes, std::int64_t count, int bits,
                                 std::uint8_t* stream) {
  pack_bit_stream(codes, count, bits, stream);
}

// out has swizzled_bytes(rows, cols).
LOWP_C void lowp_swizzle(const std::uint8_t* scale, std::int64_t rows, std::int64_t cols,
                         std::uint8_t* out) {
  for (std::int64_t i = 0; i < swizzled_bytes(rows, cols); ++i) out[i] = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) out[swizzle_offset(r, c, cols)] = scale[r * cols + c];
  }
}
