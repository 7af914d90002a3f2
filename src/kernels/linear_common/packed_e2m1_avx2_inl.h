// A few rows of x times packed e2m1 codes (pack_weight/layout.h): as rows_e2m1_avx2_inl.h, with a
// row of the weight in each lane. A dword of x's digits serves all lanes, a group's sums meet 8
// scales loaded as a vector, and no lanes are added up at the end.
//
// For 16 columns of 8 rows, 72 bytes with their scales: 10 operations to decode, 9 a digit, 7 to
// scale; 35 with two digits, some 3 a cycle on Zen 3: 6 bytes a cycle, where memory gives 5. Along
// K the same columns take 1.8 times as long. A second row of x adds 25. For files of level avx2:
// internal linkage.
//
// A Scales has, beside what rows_e2m1_avx2_inl.h says,
//   codes(args)    where an operation's arguments have them
//   to_fp32()      codes to numbers, as many as there are
//   decode_top()   scales' fp32 numbers times 2^-kPower, of codes in the top bytes of dwords
//   nan_bytes()    all bits of the bytes whose code is no number
#pragma once

#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/rows_e2m1_avx2_inl.h"
#include "kernels/pack_weight/layout.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kPackedPairBytes = 64;  // two dwords of each of 8 rows

// Of a thread
struct PackedE2m1Scratch {
  alignas(32) float sums[kE2m1MaxRows][kRowBlock];
};

// Numbers of a step's groups, which rows in lanes want, in place of those of its lanes: the first
// of `offsets` and `units`.
template <class Scales, int kDigits>
void order_by_groups(std::int64_t k, E2m1Row<kDigits>& row) {
  constexpr std::int64_t kGroupLanes = Scales::kGroup / kLanes;
  for (std::int64_t step = 0; step < ceil_div(k, kE2m1Step); ++step) {
    E2m1Step<kDigits>& of_step = row.steps[step];
    alignas(32) std::int32_t lanes[kLanes];
    alignas(32) std::int32_t groups[kLanes] = {};
    store_ints(lanes, of_step.offsets);
    for (std::int64_t i = 0; i < kLanes; ++i) groups[i / kGroupLanes] += lanes[i];
    for (std::int64_t i = 0; i < kLanes / kGroupLanes; ++i) {
      of_step.units[i] = of_step.units[i * kGroupLanes];
    }
    of_step.offsets = load_ints(groups);
  }
}

// As LinearJob::group_scales, of those that lie as (N / 8, groups, 8).
template <class Scales, class Args>
void packed_group_scales(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                         std::int64_t count, float* values) {
  const auto& args = *static_cast<const Args*>(from);
  const std::int64_t groups = args.x.cols / Scales::kGroup;
  for (std::int64_t row = 0; row < rows; row += kPackedRows) {
    for (std::int64_t i = 0; i < count; ++i) {
      alignas(32) float eight[kPackedRows];
      Scales::to_fp32(Scales::codes(args) + packed_element(n + row, group + i, groups), kPackedRows,
                      eight);
      for (std::int64_t r = 0; r < kPackedRows; ++r) values[(row + r) * count + i] = eight[r];
    }
  }
}

// All bits of the lanes of rows with a scale that is no number; codes (groups, 8).
template <class Scales>
Ints nan_rows(const std::uint8_t* codes, std::int64_t groups) {
  Ints nan = _mm256_setzero_si256();
  std::int64_t group = 0;
  for (; group + 4 <= groups; group += 4) {
    nan = _mm256_or_si256(nan, Scales::nan_bytes(load_ints(codes + group * kPackedRows)));
  }
  if (group < groups) {
    alignas(32) std::uint8_t last[32] = {};
    std::copy_n(codes + group * kPackedRows, (groups - group) * kPackedRows, last);
    nan = _mm256_or_si256(nan, Scales::nan_bytes(load_ints(last)));
  }
  if (_mm256_testz_si256(nan, nan) != 0) return nan;
  const __m128i halves =
      _mm_or_si128(_mm256_castsi256_si128(nan), _mm256_extracti128_si256(nan, 1));
  return _mm256_cvtepi8_epi32(_mm_or_si128(halves, _mm_srli_si128(halves, 8)));
}

inline Ints broadcast_dword(const std::int8_t* bytes) {
  std::int32_t dword;
  std::memcpy(&dword, bytes, sizeof(dword));
  return broadcast(dword);
}

// What 8 rows' codes of 16 columns are worth, 12 and half units: low and high nibbles of two
// dwords.
struct PackedE2m1Values {
  Ints low[2];
  Ints high[2];
};

[[gnu::always_inline]] inline PackedE2m1Values decode_packed_e2m1(const std::uint8_t* codes) {
  const Ints table = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const Ints nibble = _mm256_set1_epi8(0x0F);
  PackedE2m1Values values;
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Ints bytes = in_register(load_ints(codes + 32 * i));
    values.low[i] = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble));
    values.high[i] =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
  }
  return values;
}

// sum += the products with 16 columns of x, from dword `at` of the step on. Sums of 16 bits are
// those of 8 products of at most 24 and 128.
template <int kDigits>
[[gnu::always_inline]] inline Ints add_packed_products(const PackedE2m1Values& values,
                                                       const DigitStep<kDigits>& digits,
                                                       std::int64_t at, Ints sum) {
#pragma GCC unroll 3
  for (int d = 0; d < kDigits; ++d) {
    Ints pairs[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const std::int64_t byte = (at + i) * kPackedBytes;
      pairs[i] = _mm256_add_epi16(
          _mm256_maddubs_epi16(values.low[i], broadcast_dword(digits.even[d] + byte)),
          _mm256_maddubs_epi16(values.high[i], broadcast_dword(digits.odd[d] + byte)));
    }
    const auto weight = static_cast<short>(1 << (d * DigitFormat<kDigits>::kBits));
    sum = add(sum,
              _mm256_madd_epi16(_mm256_add_epi16(pairs[0], pairs[1]), _mm256_set1_epi16(weight)));
  }
  return sum;
}

// sums += the products of 8 rows of the weight and kX rows of x in group `at` of a step, scaled.
template <class Scales, int kX, int kDigits>
[[gnu::always_inline]] inline void add_packed_group(const E2m1Row<kDigits>* x, std::int64_t step,
                                                    std::int64_t at, const std::uint8_t* codes,
                                                    const std::uint8_t* scales,
                                                    Floats (&sums)[kX]) {
  constexpr std::int64_t kPairs = Scales::kGroup / 16;
  const Ints to_top = _mm256_setr_epi32(0x00808080, 0x01808080, 0x02808080, 0x03808080, 0x04808080,
                                        0x05808080, 0x06808080, 0x07808080);
  std::int64_t eight;
  std::memcpy(&eight, scales, sizeof(eight));
  const Floats scale = Scales::decode_top(_mm256_shuffle_epi8(_mm256_set1_epi64x(eight), to_top));
  Ints integers[kX];
#pragma GCC unroll 2
  for (int m = 0; m < kX; ++m) {
    integers[m] = broadcast(reinterpret_cast<const std::int32_t*>(&x[m].steps[step].offsets)[at]);
  }
#pragma GCC unroll 2
  for (std::int64_t pair = 0; pair < kPairs; ++pair) {
    const std::uint8_t* from = codes + pair * kPackedPairBytes;
    _mm_prefetch(reinterpret_cast<const char*>(from) + kE2m1FetchAhead, _MM_HINT_T0);
    const PackedE2m1Values values = decode_packed_e2m1(from);
#pragma GCC unroll 2
    for (int m = 0; m < kX; ++m) {
      integers[m] = add_packed_products(values, x[m].steps[step].digits, (at * kPairs + pair) * 2,
                                        integers[m]);
    }
  }
#pragma GCC unroll 2
  for (int m = 0; m < kX; ++m) {
    const Floats unit = broadcast(x[m].steps[step].units[at]);
    sums[m] = multiply_add(multiply(to_floats(integers[m]), unit), scale, sums[m]);
  }
}

// 8 rows of the weight times kX rows of x: lanes of sums.
template <class Scales, int kX, int kDigits>
void multiply_packed_e2m1_rows(const E2m1Row<kDigits>* x, const std::uint8_t* codes,
                               const std::uint8_t* scales, std::int64_t groups,
                               Floats (&products)[kX]) {
  constexpr std::int64_t kStepGroups = kE2m1Step / Scales::kGroup;
  constexpr std::int64_t kGroupBytes = Scales::kGroup / 2 * kPackedRows;
  Floats sums[kX] = {};
  const auto add_group = [&](std::int64_t step, std::int64_t at) __attribute__((always_inline)) {
    const std::int64_t group = step * kStepGroups + at;
    add_packed_group<Scales>(x, step, at, codes + group * kGroupBytes, scales + group * kPackedRows,
                             sums);
  };
  const std::int64_t whole = groups / kStepGroups;
  for (std::int64_t step = 0; step < whole; ++step) {
#pragma GCC unroll 4
    for (std::int64_t at = 0; at < kStepGroups; ++at) add_group(step, at);
  }
  for (std::int64_t at = 0; at < groups % kStepGroups; ++at) add_group(whole, at);
#pragma GCC unroll 2
  for (int m = 0; m < kX; ++m) products[m] = sums[m];
}

// job.m rows, two at a time while 8 rows of the weight are in L1. `scale_codes`: (N / 8, groups,
// 8).
template <class Scales, int kDigits>
void multiply_packed_e2m1_weight(const LinearJob& job, const E2m1Row<kDigits>* x,
                                 const std::uint8_t* codes, const std::uint8_t* scale_codes) {
  const std::int64_t groups = job.k / Scales::kGroup;
  // kX rows of x from m on and rows [n, n + 8) of the weight, to sums[m][at].
  const auto multiply_block = [&]<int kX>(std::integral_constant<int, kX>, std::int64_t m,
                                          std::int64_t n, std::int64_t at, Ints nan,
                                          PackedE2m1Scratch& scratch) {
    Floats products[kX];
    multiply_packed_e2m1_rows<Scales, kX>(x + m, codes + n * (job.k / 2), scale_codes + n * groups,
                                          groups, products);
    for (int i = 0; i < kX; ++i) {
      const Floats sum =
          multiply(products[i], broadcast(power_of_two(Scales::kPower - Scales::kUnitPower)));
      store_floats(scratch.sums[m + i] + at, _mm256_or_ps(sum, _mm256_castsi256_ps(nan)));
    }
  };
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    PackedE2m1Scratch scratch;
    const std::int64_t last = end * kPackedRows;
    for (std::int64_t n = begin * kPackedRows; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t at = 0; at < count; at += kPackedRows) {
        const Ints nan = nan_rows<Scales>(scale_codes + (n + at) * groups, groups);
        std::int64_t m = 0;
        for (; m + 2 <= job.m; m += 2) {
          multiply_block(std::integral_constant<int, 2>(), m, n + at, at, nan, scratch);
        }
        if (m < job.m) {
          multiply_block(std::integral_constant<int, 1>(), m, n + at, at, nan, scratch);
        }
      }
      for (std::int64_t m = 0; m < job.m; ++m) {
        finish_row<false>(job, m, n, count, reinterpret_cast<const std::int32_t*>(scratch.sums[m]));
      }
    }
  };
  share_nibble_rows(job, kPackedRows, body);
}

// Not inlined: 200 or 260 KiB of stack. False where a row of x does not fit the fixed point:
// nothing is written then.
template <class Scales, int kDigits>
[[gnu::noinline]] bool multiply_packed_e2m1(const LinearJob& job, const std::uint8_t* codes,
                                            const std::uint8_t* scale_codes) {
  E2m1Row<kDigits> x[kE2m1MaxRows];
  for (std::int64_t m = 0; m < job.m; ++m) {
    if (!prepare_e2m1_row<Scales>(job, m, x[m])) return false;
    order_by_groups<Scales>(job.k, x[m]);
  }
  multiply_packed_e2m1_weight<Scales>(job, x, codes, scale_codes);
  return true;
}

inline bool fits_packed_e2m1(const LinearJob& job) {
  return job.m > 0 && job.m <= kE2m1MaxRows && job.k > 0 && job.k <= kMaxChunk;
}

template <class Scales>
bool multiply_packed_e2m1(const LinearJob& job, DType x, const std::uint8_t* codes,
                          const std::uint8_t* scale_codes) {
  return takes_two_digits(job, x) ? multiply_packed_e2m1<Scales, 2>(job, codes, scale_codes)
                                  : multiply_packed_e2m1<Scales, 3>(job, codes, scale_codes);
}

// The product with a packed weight; `run` is the operation's, for single rows of x.
template <class Scales, class Args>
void multiply_packed(const Args& args, LinearJob job, void (*run)(const Args&)) {
  if (fits_packed_e2m1(job)) {
    const std::uint8_t* scale_codes = Scales::codes(args);
    if (multiply_packed_e2m1<Scales>(job, args.x.dtype, args.weight, scale_codes)) return;
    if (job.m > 1) return run_each_row(args, run);
  }
  job.group_scales = packed_group_scales<Scales, Args>;
  set_packed_panel<E2m1Panel>(job, args.weight);
  linear_panels_avx2(job);
}

}  // namespace
}  // namespace lowp::kernels
