// One row of x times e2m1 codes in integers, as decoding one token does. A code is an integer of
// half units, 0 to 12 and a sign, which one vpshufb finds for 32 of them, and x is fixed point as
// in rows_int4_avx2_inl.h: two digits where x and the result are bf16, else three. vpmaddubsw
// multiplies 32 of them by codes made unsigned, 12 more than they are.
//
// For 64 codes, 34 or 36 bytes with their scales: 5 operations to decode, 4 a digit, 5 to scale;
// 18 or 22 of which Zen 3 does four a cycle, products two. Memory gives 5 bytes a cycle. Codes made
// to fp32 numbers (formats_avx2_inl.h) take 30. For files of level avx2: internal linkage.
//
// A Scales has
//   kGroup       columns of a scale, 16 or 32
//   kPower
//   decode()     the high halves of 16 scales' fp32 numbers times 2^-kPower, of codes in words
//   nan()        all bits of the words whose code is no number
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/linear_common/rows_avx2_inl.h"
#include "kernels/linear_common/rows_int4_avx2_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kE2m1Step = 64;  // codes in a vector of them
constexpr std::int64_t kE2m1StepBytes = 32;
constexpr std::int64_t kE2m1FetchAhead = 2048;  // bytes
constexpr int kE2m1Largest = 12;                // in half units

// 64 columns. Lane i of the offsets: columns 8i to 8i + 7 times -12.
template <int kDigits>
struct E2m1Step {
  DigitStep<kDigits> digits;
  Ints offsets;
  alignas(32) float units[kLanes];  // lane's products = unit * integer * decoded scale
};

// The row of x, made once for all threads: 64 KiB of stack, of which K says how much is used.
template <int kDigits>
struct E2m1Row {
  E2m1Step<kDigits> steps[kMaxChunk / kE2m1Step];
};

// Of a thread
struct E2m1Scratch {
  alignas(32) std::uint16_t scales[kWeightRows * kMaxGroups];  // (4, groups), decoded
  alignas(32) std::int32_t sums[kRowBlock];                    // fp32
};

// Digits times unsigned bytes of even and of odd columns: a lane has 8 columns. Sums of 16 bits are
// those of four products of at most 24 and 128.
template <int kDigits>
[[gnu::always_inline]] inline Ints multiply_digits(const DigitStep<kDigits>& digits, Ints even,
                                                   Ints odd) {
  Ints sum = _mm256_setzero_si256();
#pragma GCC unroll 3
  for (int d = 0; d < kDigits; ++d) {
    const Ints products = _mm256_add_epi16(_mm256_maddubs_epi16(even, load_ints(digits.even[d])),
                                           _mm256_maddubs_epi16(odd, load_ints(digits.odd[d])));
    const auto weight = static_cast<short>(1 << (d * DigitFormat<kDigits>::kBits));
    sum = add(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(weight)));
  }
  return sum;
}

// x, in place, to numbers of the fixed point; the unit. 0 where x is not finite or so large or
// small that the unit or a factor is not a normal number.
template <int kDigits>
float scale_group(float* x, std::int64_t count, int power) {
  constexpr float kRoom = 1.004F;  // as in prepare_digits
  const auto largest = std::bit_cast<float>(largest_bits(x, count));
  if (largest != 0 && !(largest > 0x1p-100F && largest < 0x1p100F)) return 0;
  constexpr int kBits = DigitFormat<kDigits>::kNumberBits;
  const int exponent = largest == 0 ? 0 : kBits - 1 - exponent_of(largest * kRoom);
  if (power - exponent > 127) return 0;
  const Floats factor = broadcast(power_of_two(exponent));
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(x + i, multiply(load_floats(x + i), factor));
  }
  return power_of_two(power - exponent);
}

// All of an E2m1Row; false where x does not fit the fixed point.
template <class Scales, int kDigits>
bool prepare_e2m1_row(const LinearJob& job, E2m1Row<kDigits>& to) {
  const Ints largest = _mm256_set1_epi8(kE2m1Largest);
  for (std::int64_t k = 0; k < job.k; k += kE2m1Step) {
    alignas(32) float x[kE2m1Step] = {};
    job.decode_x(job.args, 0, k, smaller(k + kE2m1Step, job.k), reinterpret_cast<std::int32_t*>(x));
    E2m1Step<kDigits>& step = to.steps[k / kE2m1Step];
    for (std::int64_t i = 0; i < kE2m1Step; i += Scales::kGroup) {
      const float unit = scale_group<kDigits>(x + i, Scales::kGroup, Scales::kPower);
      if (unit == 0) return false;
      std::fill_n(step.units + i / kLanes, Scales::kGroup / kLanes, unit / 2);
    }
    store_digits<kDigits>(x, broadcast(1.0F), 0, step.digits);
    store_digits<kDigits>(x + kE2m1Step / 2, broadcast(1.0F), 1, step.digits);
    step.offsets = subtract(_mm256_setzero_si256(), multiply_digits(step.digits, largest, largest));
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

// sum += a step's products, scaled.
template <std::int64_t kGroup, int kDigits>
[[gnu::always_inline]] inline Floats add_e2m1_step(const std::uint8_t* codes,
                                                   const std::uint16_t* scales,
                                                   const E2m1Step<kDigits>& x, Floats sum) {
  const Ints values = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints nibble = _mm256_set1_epi8(0x0F);
  const Ints bytes = in_register(load_ints(codes));  // one load: there are 9 a step, two a cycle
  const Ints low = _mm256_shuffle_epi8(values, _mm256_and_si256(bytes, nibble));
  const Ints high =
      _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
  const Ints integer = add(multiply_digits(x.digits, low, high), x.offsets);
  const Floats scale = multiply(scales_in_lanes<kGroup>(scales), load_floats(x.units));
  return multiply_add(to_floats(integer), scale, sum);
}

// One row of the weight.
template <std::int64_t kGroup, int kDigits>
Floats multiply_e2m1_row(const E2m1Row<kDigits>& x, const std::uint8_t* codes,
                         const std::uint16_t* scales, std::int64_t k) {
  constexpr std::int64_t kStepGroups = kE2m1Step / kGroup;
  const std::int64_t whole = k / kE2m1Step;
  Floats sum = broadcast(0.0F);
  const auto add_step = [&](std::int64_t step) __attribute__((always_inline)) {
    sum = add_e2m1_step<kGroup>(codes + step * kE2m1StepBytes, scales + step * kStepGroups,
                                x.steps[step], sum);
  };
  for (std::int64_t step = 0; step + 1 < whole; step += 2) {
    _mm_prefetch(reinterpret_cast<const char*>(codes) + step * kE2m1StepBytes + kE2m1FetchAhead,
                 _MM_HINT_T0);
    add_step(step);
    add_step(step + 1);
  }
  if (whole % 2 != 0) add_step(whole - 1);
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

// `scale_codes`: (N, K / kGroup). False where x does not fit the fixed point: nothing is written
// then.
template <class Scales, int kDigits>
bool multiply_e2m1(const LinearJob& job, const std::uint8_t* codes,
                   const std::uint8_t* scale_codes) {
  constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes of the weight: some 3 us
  const std::int64_t groups = job.k / Scales::kGroup;
  E2m1Row<kDigits> x;
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
  const std::int64_t blocks = ceil_div(job.n, kWeightRows);
  const std::int64_t grain = ceil_div(kWorthAThread, job.k / 2 * kWeightRows);
  parallel_for(job.parallel, blocks, even_grain(job.parallel, blocks, grain), body);
  return true;
}

// The same with as many digits as `x` and the result are worth: a number of two digits is off by
// 2^-15 of its group's largest at most, a 64th of what rounding to bf16 costs.
template <class Scales>
bool multiply_e2m1(const LinearJob& job, DType x, const std::uint8_t* codes,
                   const std::uint8_t* scale_codes) {
  if (job.m != 1 || job.k == 0 || job.k > kMaxChunk) return false;
  return x == DType::kBF16 && job.out.dtype == DType::kBF16
             ? multiply_e2m1<Scales, 2>(job, codes, scale_codes)
             : multiply_e2m1<Scales, 3>(job, codes, scale_codes);
}

}  // namespace
}  // namespace lowp::kernels
