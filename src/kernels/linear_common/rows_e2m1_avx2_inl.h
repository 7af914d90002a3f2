// A few rows of x times e2m1 codes in integers, as decoding tokens does. A code is an integer of
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
//   kPower       what decoded scales are too small by, 2^kPower; of which units hold
//   kUnitPower   so much, and sums are the rest too small
//   kSmallest    exponents of numbers of x, of which sums of the sizes above are exact enough
//   kLargest     and do not overflow
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
constexpr std::int64_t kE2m1MaxRows = 4;        // of x

// 64 columns. Lane i of the offsets: columns 8i to 8i + 7 times -12.
template <int kDigits>
struct E2m1Step {
  DigitStep<kDigits> digits;
  Ints offsets;
  alignas(32) float units[kLanes];  // lane's products = integer * unit * decoded scale
};

// A row of x, made once for all threads: 48 KiB of stack, of which K says how much is used.
template <int kDigits>
struct E2m1Row {
  E2m1Step<kDigits> steps[kMaxChunk / kE2m1Step];
};

// Of a thread
struct E2m1Scratch {
  alignas(32) std::uint16_t scales[kWeightRows * kMaxGroups];  // (4, groups), decoded
  alignas(32) float sums[kE2m1MaxRows][kRowBlock];
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

// x, in place, to numbers of the fixed point; the unit. 0 where x is not finite or not within the
// range of the scales.
template <class Scales, int kDigits>
float scale_group(float* x, std::int64_t count) {
  constexpr float kRoom = 1.004F;  // as in prepare_digits
  const auto largest = std::bit_cast<float>(largest_bits(x, count));
  if (largest != 0 &&
      !(largest > power_of_two(Scales::kSmallest) && largest < power_of_two(Scales::kLargest))) {
    return 0;
  }
  constexpr int kBits = DigitFormat<kDigits>::kNumberBits;
  const int exponent = largest == 0 ? 0 : kBits - 1 - exponent_of(largest * kRoom);
  const Floats factor = broadcast(power_of_two(exponent));
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(x + i, multiply(load_floats(x + i), factor));
  }
  return power_of_two(Scales::kUnitPower - exponent);
}

// Row m of x; false where it does not fit the fixed point.
template <class Scales, int kDigits>
bool prepare_e2m1_row(const LinearJob& job, std::int64_t m, E2m1Row<kDigits>& to) {
  const Ints largest = _mm256_set1_epi8(kE2m1Largest);
  for (std::int64_t k = 0; k < job.k; k += kE2m1Step) {
    alignas(32) float x[kE2m1Step] = {};
    job.decode_x(job.args, m, k, smaller(k + kE2m1Step, job.k), reinterpret_cast<std::int32_t*>(x));
    E2m1Step<kDigits>& step = to.steps[k / kE2m1Step];
    for (std::int64_t i = 0; i < kE2m1Step; i += Scales::kGroup) {
      const float unit = scale_group<Scales, kDigits>(x + i, Scales::kGroup);
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

// sums += the products of a step of kX rows of x, scaled.
template <std::int64_t kGroup, int kX, int kDigits>
[[gnu::always_inline]] inline void add_e2m1_step(const std::uint8_t* codes,
                                                 const std::uint16_t* scales,
                                                 const E2m1Row<kDigits>* x, std::int64_t step,
                                                 Floats (&sums)[kX]) {
  const Ints values = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints nibble = _mm256_set1_epi8(0x0F);
  const Ints bytes = in_register(load_ints(codes));  // one load: there are 9 a step, two a cycle
  const Ints low = _mm256_shuffle_epi8(values, _mm256_and_si256(bytes, nibble));
  const Ints high =
      _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
  const Floats decoded = scales_in_lanes<kGroup>(scales);
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
    const E2m1Step<kDigits>& of_x = x[m].steps[step];
    const Ints integer = add(multiply_digits(of_x.digits, low, high), of_x.offsets);
    // In this order: Zen takes subnormal scales as other numbers in vfmadd, but not in vmulps.
    const Floats product = multiply(to_floats(integer), load_floats(of_x.units));
    sums[m] = multiply_add(product, decoded, sums[m]);
  }
}

// One row of the weight: sums of its products with each row of x.
template <std::int64_t kGroup, int kX, int kDigits>
void multiply_e2m1_row(const E2m1Row<kDigits>* x, const std::uint8_t* codes,
                       const std::uint16_t* scales, std::int64_t k, Floats (&products)[kX]) {
  constexpr std::int64_t kStepGroups = kE2m1Step / kGroup;
  const std::int64_t whole = k / kE2m1Step;
  Floats sums[kX] = {};
  const auto add_step = [&](std::int64_t step) __attribute__((always_inline)) {
    add_e2m1_step<kGroup>(codes + step * kE2m1StepBytes, scales + step * kStepGroups, x, step,
                          sums);
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
    add_e2m1_step<kGroup>(last_codes, last_scales, x, whole, sums);
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) products[m] = sums[m];
}

// kX = job.m rows. `scale_codes`: (N, K / kGroup).
template <class Scales, int kX, int kDigits>
void multiply_e2m1_weight(const LinearJob& job, const E2m1Row<kDigits>* x,
                          const std::uint8_t* codes, const std::uint8_t* scale_codes) {
  const std::int64_t groups = job.k / Scales::kGroup;
  // `rows` <= 4 of the weight from n on, to sums[m][at].
  const auto multiply_four = [&](std::int64_t n, std::int64_t rows, std::int64_t at,
                                 E2m1Scratch& scratch) {
    const bool nan = decode_scales<Scales>(scale_codes, n * groups, rows * groups, job.n * groups,
                                           scratch.scales);
    Floats products[kX][kWeightRows] = {};
    for (std::int64_t row = 0; row < rows; ++row) {
      Floats sums[kX];
      multiply_e2m1_row<Scales::kGroup>(x, codes + (n + row) * (job.k / 2),
                                        scratch.scales + row * groups, job.k, sums);
      for (int m = 0; m < kX; ++m) products[m][row] = sums[m];
    }
    for (std::int64_t row = 0; row < rows && nan; ++row) {
      const std::int64_t first = (n + row) * groups;
      if (!decode_scales<Scales>(scale_codes, first, groups, first + groups, scratch.scales)) {
        continue;
      }
      for (auto& of_x : products) of_x[row] = broadcast(std::numeric_limits<float>::quiet_NaN());
    }
    const auto rest = _mm_set1_ps(power_of_two(Scales::kPower - Scales::kUnitPower));
    for (int m = 0; m < kX; ++m) {
      _mm_store_ps(scratch.sums[m] + at, _mm_mul_ps(sum_of_each(products[m]), rest));
    }
  };
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    E2m1Scratch scratch;
    const std::int64_t last = smaller(end * kWeightRows, job.n);
    for (std::int64_t n = begin * kWeightRows; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t at = 0; at < count; at += kWeightRows) {
        multiply_four(n + at, smaller(kWeightRows, count - at), at, scratch);
      }
      for (int m = 0; m < kX; ++m) {
        finish_row<false>(job, m, n, count, reinterpret_cast<const std::int32_t*>(scratch.sums[m]));
      }
    }
  };
  share_nibble_rows(job, kWeightRows, body);
}

// Not inlined: 50 to 200 KiB of stack. False where a row of x does not fit the fixed point: nothing
// is written then.
template <class Scales, int kX, int kDigits>
[[gnu::noinline]] bool multiply_e2m1(const LinearJob& job, const std::uint8_t* codes,
                                     const std::uint8_t* scale_codes) {
  E2m1Row<kDigits> x[kX];
  for (int m = 0; m < kX; ++m) {
    if (!prepare_e2m1_row<Scales>(job, m, x[m])) return false;
  }
  multiply_e2m1_weight<Scales, kX>(job, x, codes, scale_codes);
  return true;
}

// Rows of bf16 whose results are bf16 take two digits: a number is off by 2^-15 of its group's
// largest at most, a 64th of what rounding the result costs. Another row takes three.
inline bool takes_two_digits(const LinearJob& job, DType x) {
  return x == DType::kBF16 && job.out.dtype == DType::kBF16;
}

inline bool fits_e2m1(const LinearJob& job, DType x) {
  const std::int64_t rows = takes_two_digits(job, x) ? kE2m1MaxRows : 1;
  return job.m > 0 && job.m <= rows && job.k > 0 && job.k <= kMaxChunk;
}

template <class Scales>
bool multiply_e2m1(const LinearJob& job, DType x, const std::uint8_t* codes,
                   const std::uint8_t* scale_codes) {
  if (!takes_two_digits(job, x)) {
    return multiply_e2m1<Scales, 1, 3>(job, codes, scale_codes);
  }
  switch (job.m) {
    case 1:
      return multiply_e2m1<Scales, 1, 2>(job, codes, scale_codes);
    case 2:
      return multiply_e2m1<Scales, 2, 2>(job, codes, scale_codes);
    case 3:
      return multiply_e2m1<Scales, 3, 2>(job, codes, scale_codes);
    default:
      return multiply_e2m1<Scales, 4, 2>(job, codes, scale_codes);
  }
}

}  // namespace
}  // namespace lowp::kernels
