// One row of x times e2m1 codes in integers, as decoding one token does. A code is an integer of
// half units, 0 to 12 and a sign, which one vpshufb finds for 32 of them; x becomes integers once
// for all rows of the weight: each group of it is 21 bits of fixed point in three digits of 7 bits,
// and vpmaddubsw multiplies 32 of them by codes made unsigned, 12 more than they are.
//
// 24 operations for a vector of 64 codes with the scales of its groups, of which 10 are
// multiplications (pipes 0 and 3 of Zen 3): 6 cycles by count, 8 measured, for 34 or 36 bytes.
// Memory gives 5 bytes a cycle. Codes made to fp32 numbers (formats_avx2_inl.h) take 15 for 32.
//
// Of bf16 x whatever is above 2^-13 of its group's largest is exact, and so is the sum over 8
// columns. The rest is off by 2^-22 of the largest at most, which a sum of as many fp32 products is
// too. For files of level avx2: internal linkage.
//
// A Scales has
//   kGroup       columns of a scale, 16 or 32
//   decode()     the high halves of 16 scales' fp32 numbers times 2^-kPower, of codes in words
//   nan()        all bits of the words whose code is no number
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/linear_common/rows_avx2_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kDigits = 3;
constexpr int kDigitBits = 7;
constexpr std::int64_t kE2m1Step = 64;  // codes in a vector of them
constexpr std::int64_t kE2m1StepBytes = 32;
constexpr int kE2m1Largest = 12;  // in half units

// 64 columns: digits of even ones, which low nibbles meet, and of odd ones. Lane i of the offsets:
// columns 8i to 8i + 7 times -12.
struct E2m1Step {
  alignas(32) std::int8_t even[kDigits][32];
  alignas(32) std::int8_t odd[kDigits][32];
  Ints offsets;
  alignas(32) float units[kLanes];  // lane's products = unit * integer * decoded scale
};

// The row of x, made once for all threads: 128 KiB of stack, of which K says how much is used.
struct E2m1Row {
  alignas(32) std::int32_t x[kMaxChunk];  // fp32
  E2m1Step steps[kMaxChunk / kE2m1Step];
};

// Of a thread
struct E2m1Scratch {
  alignas(32) std::uint16_t scales[kWeightRows * kMaxGroups];  // (4, groups), decoded
  alignas(32) std::int32_t sums[kRowBlock];                    // fp32
};

inline float power_of_two(int exponent) {
  const std::int32_t bits = (exponent + 127) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Integers of 32 columns, at most 127, as bytes: those of even columns, then those of odd.
inline Ints even_and_odd_bytes(const Ints* eights) {
  const Ints words = _mm256_packs_epi16(_mm256_packs_epi32(eights[0], eights[1]),
                                        _mm256_packs_epi32(eights[2], eights[3]));
  const Ints in_order =
      _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const Ints order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(in_order, order), 0b11011000);
}

// Half `half` of a step out of 32 columns' integers.
inline void store_half_step(const Ints* numbers, int half, E2m1Step& step) {
  Ints magnitudes[4];
  Int32s sums[4];
  for (int i = 0; i < 4; ++i) {
    magnitudes[i] = _mm256_abs_epi32(numbers[i]);
    sums[i] = reinterpret_cast<Int32s>(numbers[i]);
  }
  for (int d = 0; d < kDigits; ++d) {
    Ints digits[4];
    for (int i = 0; i < 4; ++i) {
      const Ints digit = _mm256_and_si256(magnitudes[i], broadcast((1 << kDigitBits) - 1));
      digits[i] = _mm256_sign_epi32(digit, numbers[i]);
      magnitudes[i] = _mm256_srli_epi32(magnitudes[i], kDigitBits);
    }
    const Ints bytes = even_and_odd_bytes(digits);
    _mm_store_si128(reinterpret_cast<__m128i*>(step.even[d] + 16 * half),
                    _mm256_castsi256_si128(bytes));
    _mm_store_si128(reinterpret_cast<__m128i*>(step.odd[d] + 16 * half),
                    _mm256_extracti128_si256(bytes, 1));
  }
  const __m128i offsets = _mm_mullo_epi32(sum_of_each(sums), _mm_set1_epi32(-kE2m1Largest));
  _mm_store_si128(reinterpret_cast<__m128i*>(&step.offsets) + half, offsets);
}

// All of an E2m1Row; false where a group is not finite or of numbers so large or small that its
// unit or a factor is not a normal number.
template <class Scales>
bool prepare_e2m1_row(const LinearJob& job, E2m1Row& to) {
  constexpr int kBits = kDigits * kDigitBits;
  constexpr std::int32_t kLargest = (1 << kBits) - 1;
  constexpr int kVectors = Scales::kGroup / kLanes;
  const std::int64_t columns = ceil_div(job.k, kE2m1Step) * kE2m1Step;
  std::memset(to.x + (columns - kE2m1Step), 0, kE2m1Step * sizeof(float));
  job.decode_x(job.args, 0, 0, job.k, to.x);
  for (std::int64_t half = 0; half < columns / 32; ++half) {
    Ints numbers[4];
    for (int first = 0; first < 4; first += kVectors) {
      const std::int32_t* x = to.x + half * 32 + first * kLanes;
      const std::int32_t largest = largest_bits(x, Scales::kGroup);
      const int exponent = (largest >> 23) - 127;
      if (largest != 0 && (exponent < -100 || exponent > 100)) return false;
      const int power = largest == 0 ? 0 : kBits - 1 - exponent;
      if (Scales::kPower - power > 127) return false;
      for (int i = first; i < first + kVectors; ++i, x += kLanes) {
        // fp32 may round up to one more bit
        const Ints number = _mm256_min_epi32(
            _mm256_cvtps_epi32(multiply(load_floats(x), broadcast(power_of_two(power)))),
            broadcast(kLargest));
        numbers[i] = _mm256_max_epi32(number, broadcast(-kLargest));
        to.steps[half / 2].units[half % 2 * 4 + i] = power_of_two(Scales::kPower - power) * 0.5F;
      }
    }
    store_half_step(numbers, static_cast<int>(half % 2), to.steps[half / 2]);
  }
  return true;
}

// scales (count): of codes from `at` on, of which the weight has `all`; whether one is no number,
// or one of the few behind.
template <class Scales>
bool decode_scales(const std::uint8_t* codes, std::int64_t at, std::int64_t count, std::int64_t all,
                   std::uint16_t* scales) {
  Ints nan = _mm256_setzero_si256();
  for (std::int64_t i = 0; i < count; i += 16) {
    const Ints words = _mm256_cvtepu8_epi16(load_bytes_128(codes + at + i, all - at - i));
    nan = _mm256_or_si256(nan, Scales::nan(words));
    store_ints(scales + i, Scales::decode(words));
  }
  return _mm256_testz_si256(nan, nan) == 0;
}

// The scales of a step's groups, each in the lanes of its columns.
template <std::int64_t kGroup>
Floats scales_in_lanes(const std::uint16_t* scales) {
  if constexpr (kGroup == 32) {
    std::int32_t two;
    std::memcpy(&two, scales, sizeof(two));
    const Ints order = _mm256_setr_epi32(0x0100FFFF, 0x0100FFFF, 0x0100FFFF, 0x0100FFFF, 0x0302FFFF,
                                         0x0302FFFF, 0x0302FFFF, 0x0302FFFF);
    return _mm256_castsi256_ps(_mm256_shuffle_epi8(broadcast(two), order));
  } else {
    std::int64_t four;
    std::memcpy(&four, scales, sizeof(four));
    const Ints order = _mm256_setr_epi32(0x0100FFFF, 0x0100FFFF, 0x0302FFFF, 0x0302FFFF, 0x0504FFFF,
                                         0x0504FFFF, 0x0706FFFF, 0x0706FFFF);
    return _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_set1_epi64x(four), order));
  }
}

// sum += a step's products, scaled. Sums of 16 bits are those of four products of at most 24 and
// 127, a lane's integer that of eight below 24 * 2^21.
template <std::int64_t kGroup>
[[gnu::always_inline]] inline Floats add_e2m1_step(const std::uint8_t* codes,
                                                   const std::uint16_t* scales, const E2m1Step& x,
                                                   Floats sum) {
  const Ints values = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints nibble = _mm256_set1_epi8(0x0F);
  const Ints bytes = load_ints(codes);
  const Ints low = _mm256_shuffle_epi8(values, _mm256_and_si256(bytes, nibble));
  const Ints high =
      _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
  Ints parts[kDigits];
#pragma GCC unroll 3
  for (int d = 0; d < kDigits; ++d) {
    const Ints products = _mm256_add_epi16(_mm256_maddubs_epi16(low, load_ints(x.even[d])),
                                           _mm256_maddubs_epi16(high, load_ints(x.odd[d])));
    parts[d] =
        _mm256_madd_epi16(products, _mm256_set1_epi16(static_cast<short>(1 << (d * kDigitBits))));
  }
  const Ints integer = add(add(parts[0], parts[1]), add(parts[2], x.offsets));
  const Floats scale = multiply(scales_in_lanes<kGroup>(scales), load_floats(x.units));
  return multiply_add(to_floats(integer), scale, sum);
}

// One row of the weight.
template <std::int64_t kGroup>
Floats multiply_e2m1_row(const E2m1Row& x, const std::uint8_t* codes, const std::uint16_t* scales,
                         std::int64_t k) {
  constexpr std::int64_t kStepGroups = kE2m1Step / kGroup;
  constexpr std::int64_t kAhead = 2048;  // bytes
  const std::int64_t whole = k / kE2m1Step;
  Floats sum = broadcast(0.0F);
  for (std::int64_t step = 0; step < whole; ++step) {
    _mm_prefetch(reinterpret_cast<const char*>(codes) + step * kE2m1StepBytes + kAhead,
                 _MM_HINT_T0);
    sum = add_e2m1_step<kGroup>(codes + step * kE2m1StepBytes, scales + step * kStepGroups,
                                x.steps[step], sum);
  }
  const std::int64_t left = k - whole * kE2m1Step;
  if (left != 0) {
    alignas(32) std::uint8_t last_codes[kE2m1StepBytes] = {};
    std::uint16_t last_scales[kStepGroups] = {};
    std::copy_n(codes + whole * kE2m1StepBytes, left / 2, last_codes);
    std::copy_n(scales + whole * kStepGroups, left / kGroup, last_scales);
    sum = add_e2m1_step<kGroup>(last_codes, last_scales, x.steps[whole], sum);
  }
  return sum;
}

inline bool fits_e2m1_row(const LinearJob& job) {
  return job.m == 1 && job.k > 0 && job.k <= kMaxChunk;
}

// `scale_codes`: (N, K / kGroup). False where x does not fit the fixed point: nothing is written
// then.
template <class Scales>
bool multiply_e2m1(const LinearJob& job, const std::uint8_t* codes,
                   const std::uint8_t* scale_codes) {
  constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes of the weight: some 3 us
  const std::int64_t groups = job.k / Scales::kGroup;
  E2m1Row x;
  if (!prepare_e2m1_row<Scales>(job, x)) return false;
  const auto multiply_four = [&](std::int64_t n, std::int64_t rows, std::uint16_t* scales,
                                 float* sums) {
    const bool nan =
        decode_scales<Scales>(scale_codes, n * groups, rows * groups, job.n * groups, scales);
    Floats products[kWeightRows] = {};
    for (std::int64_t row = 0; row < rows; ++row) {
      products[row] = multiply_e2m1_row<Scales::kGroup>(x, codes + (n + row) * (job.k / 2),
                                                        scales + row * groups, job.k);
    }
    for (std::int64_t row = 0; row < rows && nan; ++row) {
      const std::int64_t at = (n + row) * groups;
      if (decode_scales<Scales>(scale_codes, at, groups, at + groups, scales)) {
        products[row] = broadcast(std::numeric_limits<float>::quiet_NaN());
      }
    }
    _mm_store_ps(sums, sum_of_each(products));
  };
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    E2m1Scratch scratch;
    const std::int64_t last = smaller(end * kWeightRows, job.n);
    for (std::int64_t n = begin * kWeightRows; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t at = 0; at < count; at += kWeightRows) {
        multiply_four(n + at, smaller(kWeightRows, count - at), scratch.scales,
                      reinterpret_cast<float*>(scratch.sums) + at);
      }
      finish_row<false>(job, 0, n, count, scratch.sums);
    }
  };
  parallel_for(job.parallel, ceil_div(job.n, kWeightRows),
               ceil_div(kWorthAThread, job.k / 2 * kWeightRows), body);
  return true;
}

}  // namespace
}  // namespace lowp::kernels
