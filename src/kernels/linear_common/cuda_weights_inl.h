// Weight formats as the kernels for few rows decode them, eight codes of a row at a time.
//
// A lane takes a piece of 16 bytes of a row: 32 codes of 4 bits or 16 of 8. An eight of it becomes
// four registers of two values of x's dtype. Which of the eight go together is what decodes in the
// fewest instructions; activations are laid in the same order: kOrder.
//
// Each format has
//   kBits        of a code
//   kParameters  values kept for a group of columns: scale, zero
//   kGroupColumns  of a group, where the kernel gains from knowing them; else 0
//   Group        what decoding needs of the group that a piece lies in
//   group()      it, from where the row's values lie in shared memory and the group's index
//   decode<E>()  the eight E of a piece
//   row_factor() what a sum over the row is multiplied with at last
#pragma once

#include <cuda_fp8.h>

#include "formats/e4m3.h"
#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/cuda_ptx_inl.h"

namespace lowp::kernels {
namespace {

// The scales of a weight as a kernel sees them. The index of a group is
// (row >> row_shift) * columns + column * group_reciprocal / 2^32.
struct Parameters {
  const void* values[2];  // scale, and zero point or zero
  int bytes[2];           // of one value
  int columns;            // groups of a row
  int group_columns;
  unsigned group_reciprocal;
  int row_shift;
  int group_rows;  // of kInt8 and kFp8 without groups of columns
  const float* tensor_scale;
};

inline Parameters parameters_of(const CudaWeight& weight) {
  Parameters parameters{};
  parameters.values[0] = weight.scale;
  parameters.bytes[0] = bits(weight.scale_dtype) / 8;
  parameters.values[1] = weight.zero != nullptr ? weight.zero : weight.zero_point;
  parameters.bytes[1] = weight.zero != nullptr ? parameters.bytes[0] : 1;
  parameters.columns = static_cast<int>((weight.k + weight.group_cols - 1) / weight.group_cols);
  parameters.group_columns = static_cast<int>(weight.group_cols);
  parameters.group_reciprocal =
      parameters.columns == 1
          ? 0
          : static_cast<unsigned>(((std::int64_t{1} << 32) + weight.group_cols - 1) /
                                  weight.group_cols);
  while ((2LL << parameters.row_shift) <= weight.group_rows) ++parameters.row_shift;
  parameters.group_rows = static_cast<int>(weight.group_rows);
  parameters.tensor_scale = weight.tensor_scale;
  return parameters;
}

__device__ inline unsigned word_of(const uint4& piece, int index) {
  return index == 0 ? piece.x : index == 1 ? piece.y : index == 2 ? piece.z : piece.w;
}

struct EightsOf4Bits {
  static constexpr int kBits = 4;
  static constexpr int kGroupColumns = 0;
  static constexpr int kEights = 4;  // of a piece
  static constexpr int kGroupsAPiece = 1;
  __device__ static uint4 order(const uint4& x) {  // 0 4 1 5 2 6 3 7
    return {__byte_perm(x.x, x.z, 0x5410), __byte_perm(x.x, x.z, 0x7632),
            __byte_perm(x.y, x.w, 0x5410), __byte_perm(x.y, x.w, 0x7632)};
  }
};

struct EightsOf8Bits {
  static constexpr int kBits = 8;
  static constexpr int kGroupColumns = 0;
  static constexpr int kEights = 2;
  static constexpr int kGroupsAPiece = 1;
  __device__ static uint4 order(const uint4& x) {  // 0 2 1 3, 4 6 5 7
    return {__byte_perm(x.x, x.y, 0x5410), __byte_perm(x.x, x.y, 0x7632),
            __byte_perm(x.z, x.w, 0x5410), __byte_perm(x.z, x.w, 0x7632)};
  }
};

template <class X>
struct Int4Magic;
// A number whose lowest mantissa bits are worth 1 takes code + 8 there.
template <>
struct Int4Magic<Bf16Pair> {
  static constexpr unsigned kBase = 0x43084308;      // 128 + 8, code + 8 is code ^ 8
  static constexpr unsigned kNegative = 0xC308C308;  // -(128 + 8)
};
template <>
struct Int4Magic<Fp16Pair> {
  static constexpr unsigned kBase = 0x64086408;  // 1024 + 8
  static constexpr unsigned kNegative = 0xE408E408;
};

template <class X>
__device__ void decode_int4(unsigned word, unsigned (&pairs)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const unsigned biased = and_xor<0x000F000F>(word >> (4 * i), Int4Magic<X>::kBase);
    pairs[i] = X::fma(biased, X::kOne, Int4Magic<X>::kNegative);
  }
}

enum class Zero { kNone, kPoint, kFloat };

template <Zero kZero>
struct Int4Parameters : EightsOf4Bits {
  static constexpr int kParameters = kZero == Zero::kNone ? 1 : 2;

  // bf16 or fp32.
  __device__ static float value(const Parameters& parameters, unsigned row, int index) {
    return __uint_as_float(parameters.bytes[0] == 4 ? load_shared_4(row + index * 4)
                                                    : load_shared_2(row + index * 2) << 16);
  }
  // In x's dtype, twice: what is added to a code, or to the product with the scale.
  template <class X>
  __device__ static unsigned zero(const Parameters& parameters, unsigned row, int index) {
    if constexpr (kZero == Zero::kPoint) {
      const auto point = static_cast<std::int8_t>(load_shared_1(row + index));
      return X::twice(-static_cast<float>(point));
    } else if constexpr (kZero == Zero::kFloat) {
      return X::twice(value(parameters, row, index));
    } else {
      return X::kNegativeZero;
    }
  }
  __device__ static float row_factor(const Parameters&, int) { return 1.0F; }
};

// The scale, rounded to x's dtype, multiplies each code.
template <class XPair, Zero kZero>
struct Int4Weight : Int4Parameters<kZero> {
  using X = XPair;
  static constexpr bool kScalesSums = false;

  struct Group {
    unsigned scale;
    unsigned zero;
  };

  __device__ static Group group(const Parameters& parameters, const unsigned (&rows)[2],
                                int index) {
    return {X::twice(Int4Parameters<kZero>::value(parameters, rows[0], index)),
            Int4Parameters<kZero>::template zero<X>(parameters, rows[1], index)};
  }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    decode_int4<X>(word_of(piece, kEight), pairs);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (kZero == Zero::kPoint) pairs[i] = X::fma(pairs[i], X::kOne, group.zero);
      pairs[i] =
          X::fma(pairs[i], group.scale, kZero == Zero::kFloat ? group.zero : X::kNegativeZero);
    }
  }
};

// The scale multiplies the fp32 sum over the group, which holds the 128 columns that a quad of
// lanes takes at a time.
template <class XPair, Zero kZero>
struct Int4SumsWeight : Int4Parameters<kZero> {
  using X = XPair;
  using Streamed = Int4Weight<X, kZero>;  // where activations are streamed
  static constexpr bool kScalesSums = true;

  struct Group {
    float scale;
    unsigned zero;
  };

  __device__ static Group group(const Parameters& parameters, const unsigned (&rows)[2],
                                int index) {
    return {Int4Parameters<kZero>::value(parameters, rows[0], index),
            Int4Parameters<kZero>::template zero<X>(parameters, rows[1], index)};
  }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    decode_int4<X>(word_of(piece, kEight), pairs);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (kZero == Zero::kPoint) pairs[i] = X::fma(pairs[i], X::kOne, group.zero);
    }
  }
};

// bf16 has 7 bits of mantissa: 128 + the code's lower 7 less 128 or, for its sign, 256.
__device__ inline void decode_int8(Bf16Pair, unsigned word, unsigned (&pairs)[2]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const unsigned bytes = word >> (8 * i);
    const unsigned low = and_or<0x007F007F>(bytes, 0x43004300);
    const unsigned bias = and_xor<0x00800080>(bytes, 0xC300C300);
    pairs[i] = Bf16Pair::fma(low, Bf16Pair::kOne, bias);
  }
}
// fp16 has 10: 1024 + 128 + code, less 1152.
__device__ inline void decode_int8(Fp16Pair, unsigned word, unsigned (&pairs)[2]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const unsigned biased = and_xor<0x00FF00FF>(word >> (8 * i), 0x64806480);
    pairs[i] = Fp16Pair::fma(biased, Fp16Pair::kOne, 0xE480E480);
  }
}

struct Int8Codes {
  template <class X>
  __device__ static void decode(unsigned word, unsigned (&pairs)[2]) {
    decode_int8(X{}, word, pairs);
  }
  __device__ static void decode(unsigned word, float (&values)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // 2^23 + 128 + code
      const unsigned magic = __byte_perm(word ^ 0x80808080U, 0x4B000000, 0x7440 + i);
      values[i] = __uint_as_float(magic) - 8388736.0F;
    }
  }
};

__device__ inline float2 e4m3_pair(unsigned bytes) {
  const __half2_raw half =
      __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(bytes), __NV_E4M3);
  return __half22float2(half);
}

struct E4m3Codes {
  template <class X>
  __device__ static void decode(unsigned word, unsigned (&pairs)[2]) {
    float values[4];
    decode(word, values);
    pairs[0] = X::from_floats(values[0], values[2]);
    pairs[1] = X::from_floats(values[1], values[3]);
  }
  __device__ static void decode(unsigned word, float (&values)[4]) {
    unsigned short halves[2];  // not by a shift, which would be an instruction
    asm("mov.b32 {%0, %1}, %2;\n" : "=h"(halves[0]), "=h"(halves[1]) : "r"(word));
    const float2 low = e4m3_pair(halves[0]);
    const float2 high = e4m3_pair(halves[1]);
    values[0] = low.x;
    values[1] = low.y;
    values[2] = high.x;
    values[3] = high.y;
  }
};

// One scale a row or a tensor: it multiplies the row's sum.
template <class XPair, class Codes>
struct RowScaledWeight : EightsOf8Bits {
  using X = XPair;
  static constexpr int kParameters = 0;
  static constexpr bool kScalesSums = false;

  struct Group {};

  __device__ static Group group(const Parameters&, const unsigned (&)[2], int) { return {}; }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group&, unsigned (&pairs)[4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      unsigned two[2];
      Codes::template decode<X>(word_of(piece, 2 * kEight + half), two);
      pairs[2 * half] = two[0];
      pairs[2 * half + 1] = two[1];
    }
  }
  __device__ static float row_factor(const Parameters& parameters, int row) {
    return static_cast<const float*>(parameters.values[0])[row / parameters.group_rows];
  }
};

struct Fp32Scale {
  __device__ static float value(unsigned row, int index) {
    return __uint_as_float(load_shared_4(row + index * 4));
  }
};
// Byte 0 is a subnormal number, 255 NaN. Without branches, which would serialize the products of
// the tensor cores that they stand between.
struct E8m0Scale {
  __device__ static float value(unsigned row, int index) {
    const unsigned code = load_shared_1(row + index);
    return __uint_as_float(max(code << 23, 0x00400000U) + is_nan(code) * 0x007FFFFFU);
  }
  // In bf16, twice.
  __device__ static unsigned pair(unsigned row, int index) {
    const unsigned code = load_shared_1(row + index);
    return max(code * 0x00800080U, 0x00400040U) + is_nan(code) * 0x007F007FU;
  }
  __device__ static unsigned is_nan(unsigned code) { return (code + 1) >> 8; }
};

// A scale for each group of columns multiplies each code in fp32: rounded to x's dtype once.
template <class XPair, class Codes, class Scale>
struct GroupScaledWeight : EightsOf8Bits {
  using X = XPair;
  static constexpr int kParameters = 1;
  static constexpr bool kScalesSums = false;

  struct Group {
    float scale;
  };

  __device__ static Group group(const Parameters&, const unsigned (&rows)[2], int index) {
    return {Scale::value(rows[0], index)};
  }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float values[4];
      Codes::decode(word_of(piece, 2 * kEight + half), values);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        pairs[2 * half + i] = X::from_floats(values[i] * group.scale, values[i + 2] * group.scale);
      }
    }
  }
  __device__ static float row_factor(const Parameters&, int) { return 1.0F; }
};

// Of elements that a pair of bf16 scales multiplies.
template <class Eights>
struct MxBf16Weight : Eights {
  using X = Bf16Pair;
  static constexpr int kParameters = 1;
  static constexpr bool kScalesSums = false;

  struct Group {
    unsigned scale;
  };

  __device__ static Group group(const Parameters&, const unsigned (&rows)[2], int index) {
    return {E8m0Scale::pair(rows[0], index)};
  }
  __device__ static float row_factor(const Parameters&, int) { return 1.0F; }
};

template <class XPair>
struct Mxfp8Weight;

// A power of two times four significant bits: bf16 rounds once.
template <>
struct Mxfp8Weight<Bf16Pair> : MxBf16Weight<EightsOf8Bits> {
  static constexpr int kGroupColumns = 32;

  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    RowScaledWeight<X, E4m3Codes>::decode<kEight>(piece, {}, pairs);
#pragma unroll
    for (unsigned& pair : pairs) pair = multiply<X>(pair, group.scale);
  }
};

// fp16 does not hold every e8m0: products in fp32.
template <>
struct Mxfp8Weight<Fp16Pair> : GroupScaledWeight<Fp16Pair, E4m3Codes, E8m0Scale> {
  static constexpr int kGroupColumns = 32;
};

// e2m1 at the place of x's dtype: sign at the top, the lower exponent bits and the upper mantissa
// bit below; 2^kBias times too small, 0.5 as a subnormal number.
template <class X>
struct E2m1Place;
template <>
struct E2m1Place<Bf16Pair> {
  static constexpr int kShift = 6;
  static constexpr unsigned kMask = 0x01C001C0;
  static constexpr unsigned kRebias = 0x7E807E80;  // 2^126
  static constexpr float kNvfp4Rebias = 0x1p118F;  // less 2^8: 448 times it is finite
};
template <>
struct E2m1Place<Fp16Pair> {
  static constexpr int kShift = 3;
  static constexpr unsigned kMask = 0x0E000E00;
  static constexpr unsigned kRebias = 0x74007400;  // 2^14
  static constexpr float kNvfp4Rebias = 0x1p6F;
};

template <class X>
__device__ void place_e2m1(unsigned word, unsigned (&pairs)[4]) {
  using Place = E2m1Place<X>;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int up = 12 - 4 * i;  // of the code to the top of its half
    const int by = up - Place::kShift;
    const unsigned magnitude =
        (by >= 0 ? word << (by >= 0 ? by : 0) : word >> (by < 0 ? -by : 0)) & Place::kMask;
    pairs[i] = and_or<0x80008000>(word << up, magnitude);
  }
}

template <class XPair>
struct Nvfp4Weight : EightsOf4Bits {
  using X = XPair;
  static constexpr int kGroupsAPiece = 2;
  static constexpr int kParameters = 1;
  static constexpr bool kScalesSums = false;

  struct Group {
    unsigned scale[2];  // of the lower and upper 16 columns
  };

  // e2m1 * e4m3 has six significant bits: exact in both dtypes.
  // The two blocks of a piece begin at an even one.
  __device__ static Group group(const Parameters&, const unsigned (&rows)[2], int index) {
    const float2 scales = e4m3_pair(load_shared_2(rows[0] + index));
    return {{X::twice(scales.x * E2m1Place<X>::kNvfp4Rebias),
             X::twice(scales.y * E2m1Place<X>::kNvfp4Rebias)}};
  }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    place_e2m1<X>(word_of(piece, kEight), pairs);
#pragma unroll
    for (int i = 0; i < 4; ++i) pairs[i] = multiply<X>(pairs[i], group.scale[kEight / 2]);
  }
  __device__ static float row_factor(const Parameters& parameters, int) {
    return *parameters.tensor_scale * 256.0F;
  }
};

template <class XPair>
struct Mxfp4Weight;

template <>
struct Mxfp4Weight<Bf16Pair> : MxBf16Weight<EightsOf4Bits> {
  // Two products: 2^126 times the scale need not be finite.
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    place_e2m1<X>(word_of(piece, kEight), pairs);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      pairs[i] = multiply<X>(multiply<X>(pairs[i], E2m1Place<X>::kRebias), group.scale);
    }
  }
};

// fp16 does not hold every e8m0: products in fp32.
template <>
struct Mxfp4Weight<Fp16Pair> : EightsOf4Bits {
  using X = Fp16Pair;
  static constexpr int kParameters = 1;
  static constexpr bool kScalesSums = false;

  struct Group {
    float scale;
  };

  __device__ static Group group(const Parameters&, const unsigned (&rows)[2], int index) {
    return {E8m0Scale::value(rows[0], index)};
  }
  template <int kEight>
  __device__ static void decode(const uint4& piece, const Group& group, unsigned (&pairs)[4]) {
    place_e2m1<X>(word_of(piece, kEight), pairs);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const unsigned exact = multiply<X>(pairs[i], E2m1Place<X>::kRebias);
      const float low = X::to_float(static_cast<std::uint16_t>(exact));
      const float high = X::to_float(static_cast<std::uint16_t>(exact >> 16));
      pairs[i] = X::from_floats(low * group.scale, high * group.scale);
    }
  }
  __device__ static float row_factor(const Parameters&, int) { return 1.0F; }
};

}  // namespace
}  // namespace lowp::kernels
