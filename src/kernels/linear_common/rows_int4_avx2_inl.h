// One row of x times int4 codes in integers, as decoding one token does. Without VNNI or bf16 dot
// products, codes made to fp32 numbers cost 15 operations for 32 of them (formats_avx2_inl.h), more
// than memory lets wait. Here x becomes the numbers, once for all rows of the weight: each group of
// it is 21 bits of fixed point in three 7-bit digits, and vpmaddubsw multiplies 32 of them by
// nibbles as they are. 8 operations for 32 codes and 8 for a group; Zen 3 does four a cycle.
//
// Of bf16 x whatever is above 2^-13 of its group's largest is exact, and so is the sum over a
// group. The rest is off by 2^-22 of the largest at most, which a sum of as many fp32 products is
// too. For files of level avx2: internal linkage.
#pragma once

#include <algorithm>

#include "kernels/linear_common/rows_avx2_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kDigits = 3;
constexpr int kDigitBits = 7;
constexpr std::int64_t kInt4Step = 64;  // codes in a vector of them

// One step: digits of even columns, which low nibbles meet, and of odd ones.
struct DigitStep {
  alignas(32) std::int8_t even[kDigits][32];
  alignas(32) std::int8_t odd[kDigits][32];
};

// The row of x, made once for all threads: about 120 KiB of stack, of which K says how much is
// used.
struct DigitRow {
  alignas(32) std::int32_t x[kMaxChunk];  // fp32
  DigitStep digits[kMaxChunk / kInt4Step];
  Ints offsets[kMaxChunk / kInt4Step];  // lanes of a group's, or two groups', sum times -8
  alignas(32) float units[kWeightRows * kMaxGroups];  // x = unit * integer; the same for four rows
  alignas(32) float x_sums[kMaxGroups];
};

// Of a thread
struct Int4Scratch {
  alignas(32) float scales[kWeightRows * kMaxGroups];  // (4, groups)
  alignas(32) float zeros[kWeightRows * kMaxGroups];
  alignas(32) std::int32_t sums[kRowBlock];  // fp32
};

// 32 columns' numbers, at most 127, as bytes: those of even columns, then those of odd.
inline Ints even_and_odd_bytes(const Ints* eights) {
  const Ints words = _mm256_packs_epi16(_mm256_packs_epi32(eights[0], eights[1]),
                                        _mm256_packs_epi32(eights[2], eights[3]));
  const Ints in_order =
      _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const Ints order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(in_order, order), 0b11011000);
}

// 32 columns of x times `factor`, in half `half` of a step; their integers' sum, lane by lane.
inline Ints store_digits(const float* x, Floats factor, int half, DigitStep& step) {
  constexpr std::int32_t kLargest = (1 << (kDigits * kDigitBits)) - 1;
  constexpr std::int32_t kDigit = (1 << kDigitBits) - 1;
  Ints digits[kDigits][4];
  Ints sum = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    Ints number = _mm256_cvtps_epi32(multiply(load_floats(x + i * kLanes), factor));
    // fp32 may round up to one more bit
    number = _mm256_max_epi32(_mm256_min_epi32(number, broadcast(kLargest)), broadcast(-kLargest));
    sum = add(sum, number);
    Ints magnitude = _mm256_abs_epi32(number);
    for (auto& digit : digits) {
      digit[i] = _mm256_sign_epi32(_mm256_and_si256(magnitude, broadcast(kDigit)), number);
      magnitude = _mm256_srli_epi32(magnitude, kDigitBits);
    }
  }
  for (int d = 0; d < kDigits; ++d) {
    const Ints bytes = even_and_odd_bytes(digits[d]);
    _mm_store_si128(reinterpret_cast<__m128i*>(step.even[d] + 16 * half),
                    _mm256_castsi256_si128(bytes));
    _mm_store_si128(reinterpret_cast<__m128i*>(step.odd[d] + 16 * half),
                    _mm256_extracti128_si256(bytes, 1));
  }
  return sum;
}

inline float largest_magnitude(const float* x, std::int64_t count) {
  const Ints mask = broadcast(0x7FFFFFFF);
  Ints largest = _mm256_setzero_si256();  // bits are ordered as the numbers are, NaN above all
  for (std::int64_t i = 0; i < count; i += kLanes) {
    largest = _mm256_max_epi32(largest, _mm256_and_si256(load_ints(x + i), mask));
  }
  alignas(32) std::int32_t lanes[kLanes];
  store_ints(lanes, largest);
  const std::int32_t bits = *std::max_element(lanes, lanes + kLanes);
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Of a normal number, 2^exponent <= value.
inline int exponent_of(float value) {
  std::int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return (bits >> 23) - 127;
}

inline float power_of_two(int exponent) {
  const std::int32_t bits = (exponent + 127) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// The lanes of two vectors' sums as the halves of one.
inline Ints halves_of(Ints first, Ints second) {
  return add(_mm256_permute2x128_si256(first, second, 0x20),
             _mm256_permute2x128_si256(first, second, 0x31));
}

// Codes are taken as 0 to 15, 8 more than they are: sums * -8 takes that off again.
inline void store_offsets(const LinearJob& job, std::int64_t group, Ints sum, Ints before,
                          DigitRow& to) {
  if (job.group >= kInt4Step) {
    to.offsets[group] = _mm256_slli_epi32(subtract(_mm256_setzero_si256(), sum), 3);
  } else if (group % 2 != 0) {
    to.offsets[group / 2] =
        _mm256_slli_epi32(subtract(_mm256_setzero_si256(), halves_of(before, sum)), 3);
  }
}

// All of a DigitRow; false where a group is not finite or of numbers so large or small that its
// unit or a factor is not a normal number.
inline bool prepare_digits(const LinearJob& job, DigitRow& to) {
  job.decode_x(job.args, 0, 0, job.k, to.x);
  const auto* x = reinterpret_cast<const float*>(to.x);
  const std::int64_t groups = job.k / job.group;
  Ints before = _mm256_setzero_si256();
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t first = group * job.group;
    const float largest = largest_magnitude(x + first, job.group);
    if (largest != 0 && !(largest > 0x1p-100F && largest < 0x1p100F)) return false;
    const int exponent = largest == 0 ? 0 : kDigits * kDigitBits - 1 - exponent_of(largest);
    Ints sum = _mm256_setzero_si256();
    for (std::int64_t at = first; at < first + job.group; at += kInt4Step / 2) {
      sum = add(sum, store_digits(x + at, broadcast(power_of_two(exponent)),
                                  at / (kInt4Step / 2) % 2, to.digits[at / kInt4Step]));
    }
    store_offsets(job, group, sum, before, to);
    before = sum;
    const float unit = power_of_two(-exponent);
    to.x_sums[group] = unit * sum_of_lanes(to_floats(sum));
    for (std::int64_t row = 0; row < kWeightRows; ++row) to.units[row * groups + group] = unit;
  }
  return true;
}

// scales * units, and zeros
inline void hold_int4_groups(const LinearJob& job, const DigitRow& x, std::int64_t n,
                             std::int64_t rows, Int4Scratch& scratch) {
  const std::int64_t groups = job.k / job.group;
  job.group_scales(job.args, n, rows, 0, groups, scratch.scales);
  for (std::int64_t i = 0; i < rows * groups; i += kLanes) {
    store_floats(scratch.scales + i,
                 multiply(load_floats(scratch.scales + i), load_floats(x.units + i)));
  }
  if (job.group_zeros != nullptr) {
    job.group_zeros(job.args, n, rows, 0, groups, scratch.zeros);
  }
}

// Sums of a row's groups, or of two groups of half a step: the halves of a vector are one each.
template <int kRows, bool kHalves>
struct Int4Product {
  const std::uint8_t* codes;  // rows row_bytes apart
  std::int64_t row_bytes;
  std::int64_t groups;
  std::int64_t group_steps;
  const DigitRow& x;
  const float* scales;  // rows `groups` apart

  // 16-bit sums: 8 additions of two products of at most 15 and 127.
  [[gnu::always_inline]] void add_step(std::int64_t step, Ints (&sums)[kRows][kDigits]) const {
    const DigitStep& digits = x.digits[step];
    const Ints nibble = _mm256_set1_epi8(0x0F);
    Ints low[kRows];
    Ints high[kRows];
#pragma GCC unroll 2
    for (int row = 0; row < kRows; ++row) {
      const std::uint8_t* at = codes + row * row_bytes + step * (kInt4Step / 2);
      const Ints bytes = _mm256_xor_si256(load_ints(at), _mm256_set1_epi8(static_cast<char>(0x88)));
      low[row] = _mm256_and_si256(bytes, nibble);
      high[row] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
      _mm_prefetch(reinterpret_cast<const char*>(at) + kRows * row_bytes, _MM_HINT_T0);
    }
#pragma GCC unroll 3
    for (int d = 0; d < kDigits; ++d) {
      const Ints even = load_ints(digits.even[d]);
      const Ints odd = load_ints(digits.odd[d]);
#pragma GCC unroll 2
      for (int row = 0; row < kRows; ++row) {
        sums[row][d] = _mm256_add_epi16(sums[row][d], _mm256_maddubs_epi16(low[row], even));
        sums[row][d] = _mm256_add_epi16(sums[row][d], _mm256_maddubs_epi16(high[row], odd));
      }
    }
  }

  [[gnu::always_inline]] Floats scale_of(int row, std::int64_t group) const {
    const float* at = scales + row * groups + group;
    if constexpr (!kHalves) return broadcast(*at);
    const auto both = _mm256_castpd_ps(_mm256_broadcast_sd(reinterpret_cast<const double*>(at)));
    return _mm256_permutevar_ps(both, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
  }

  // All of a row's groups, scaled. A lane's integer is a sum of at most 32 products below 15 *
  // 2^21.
  [[gnu::always_inline]] void run(Floats (&result)[kRows]) const {
    std::int64_t step = 0;
    for (std::int64_t group = 0; group < groups; group += kHalves ? 2 : 1) {
      Ints sums[kRows][kDigits] = {};
      for (const std::int64_t end = step + group_steps; step < end; ++step) add_step(step, sums);
#pragma GCC unroll 2
      for (int row = 0; row < kRows; ++row) {
        const Ints part0 = _mm256_madd_epi16(sums[row][0], _mm256_set1_epi16(1));
        const Ints part1 = _mm256_madd_epi16(sums[row][1], _mm256_set1_epi16(1 << kDigitBits));
        const Ints part2 =
            _mm256_madd_epi16(sums[row][2], _mm256_set1_epi16(1 << (2 * kDigitBits)));
        const Ints sum = add(add(part0, part1), add(part2, x.offsets[group / (kHalves ? 2 : 1)]));
        result[row] = multiply_add(to_floats(sum), scale_of(row, group), result[row]);
      }
    }
  }
};

template <int kRows>
void multiply_int4_rows(const LinearJob& job, const std::uint8_t* codes, std::int64_t row,
                        const DigitRow& x, const float* scales, Floats (&result)[kRows]) {
  const std::int64_t groups = job.k / job.group;
  const std::int64_t row_bytes = job.k / 2;
  const std::uint8_t* first = codes + row * row_bytes;
  scales += row * groups;
  if (job.group == kInt4Step / 2) {
    Int4Product<kRows, true>{first, row_bytes, groups, 1, x, scales}.run(result);
  } else {
    Int4Product<kRows, false>{first, row_bytes, groups, job.group / kInt4Step, x, scales}.run(
        result);
  }
}

// sums[i], i < count <= 4: of row n + i of the weight.
inline void multiply_four_int4_rows(const LinearJob& job, const DigitRow& x,
                                    const std::uint8_t* codes, std::int64_t n, std::int64_t count,
                                    Int4Scratch& scratch, std::int32_t* sums) {
  const std::int64_t groups = job.k / job.group;
  hold_int4_groups(job, x, n, count, scratch);
  Floats all[kWeightRows] = {};
  std::int64_t row = 0;
  for (; row + 2 <= count; row += 2) {
    Floats two[2] = {};
    multiply_int4_rows(job, codes + n * (job.k / 2), row, x, scratch.scales, two);
    all[row] = two[0];
    all[row + 1] = two[1];
  }
  if (row < count) {
    Floats one[1] = {};
    multiply_int4_rows(job, codes + n * (job.k / 2), row, x, scratch.scales, one);
    all[row] = one[0];
  }
  for (row = 0; row < count && job.group_zeros != nullptr; ++row) {
    for (std::int64_t i = 0; i < groups; i += kLanes) {
      const Lanes lanes = first_lanes(groups - i);
      all[row] = multiply_add(load_floats(scratch.zeros + row * groups + i, lanes),
                              load_floats(x.x_sums + i, lanes), all[row]);
    }
  }
  _mm_store_ps(reinterpret_cast<float*>(sums), sum_of_each(all));
}

inline bool fits_int4_row(const LinearJob& job) {
  const bool group = job.group == 32 || job.group == 64 || job.group == 128 || job.group == 256;
  return job.m == 1 && group && job.k > 0 && job.k % kInt4Step == 0 && job.k <= kMaxChunk;
}

// False where x does not fit the fixed point: nothing is written then.
inline bool multiply_int4_row(const LinearJob& job, const std::uint8_t* codes) {
  constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes of the weight: some 3 us
  DigitRow x;
  if (!prepare_digits(job, x)) return false;
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    Int4Scratch scratch;
    const std::int64_t last = smaller(end * kWeightRows, job.n);
    for (std::int64_t n = begin * kWeightRows; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t at = 0; at < count; at += kWeightRows) {
        multiply_four_int4_rows(job, x, codes, n + at, smaller(kWeightRows, count - at), scratch,
                                scratch.sums + at);
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
