// Up to four rows of x times int4 codes in integers, as decoding tokens does. Codes made to fp32
// numbers cost 15 operations for 32 of them (formats_avx2_inl.h), more than memory lets wait. Here
// x becomes bytes, once for all rows of the weight, and vpmaddubsw multiplies 32 of them by nibbles
// as they are. int8 x is one digit. Floats are fixed point, each group with a unit of its own: of
// two digits, 15 bits and a sign, where x and the result are bf16, else of three, 21 bits.
//
// Of bf16 x whatever is above 2^-7 of its group's largest is exact, the rest off by 2^-15 of that
// at most, a 64th of what rounding the result to bf16 costs. Others are off by 2^-21, which a sum
// of as many fp32 products is too.
//
// A vector of codes costs 4 operations to decode and 4 a digit, a group 2 and one more a digit: 64
// codes, a group, 11, 16 or 21 operations. Zen 3 does 3 of such a mix a cycle at best, here 2.4: 32
// bytes of the weight in 4.6, 6.7 or 8.8 cycles. For files of level avx2: internal linkage.
#pragma once

#include <algorithm>

#include "kernels/linear_common/avx2_vector_inl.h"
#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_common/job.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kInt4Step = 64;  // codes in a vector of them
constexpr std::int64_t kInt4MaxColumns = 16384;
constexpr std::int64_t kInt4MaxRows = 4;     // of x
constexpr std::int64_t kInt4Rows = 4;        // of the weight, whose sums are added up together
constexpr std::int64_t kInt4RowBlock = 64;   // rows of the weight whose results leave together
constexpr std::int64_t kInt4MaxGroup = 256;  // its sums fit int16: 8 products of 2 * 15 * 128
constexpr std::int64_t kInt4MaxGroups = kInt4MaxColumns / 32;
constexpr std::int64_t kInt4FetchAhead = 2048;  // bytes
constexpr std::int64_t kUnitRows = 8;           // whose numbers of groups are whole vectors

// A number is a sum of digit * 2^(d * kBits). All but the last digit are balanced, that has a sign.
template <int kDigits>
struct DigitFormat {
  static constexpr int kBits = kDigits == 2 ? 8 : 7;
  static constexpr int kHalf = 1 << (kBits - 1);
  static constexpr int kNumberBits = (kDigits - 1) * kBits + 7;
  static constexpr std::int32_t kBias = kDigits == 3 ? kHalf + (kHalf << kBits) : kHalf;
};

// One step: digits of even columns, which low nibbles meet, and of odd ones.
template <int kDigits>
struct DigitStep {
  alignas(32) std::int8_t even[kDigits][32];
  alignas(32) std::int8_t odd[kDigits][32];
};

// A row of x, made once for all threads: at most 85 KiB of stack, of which K says how much is used.
template <int kDigits>
struct DigitRow {
  DigitStep<kDigits> steps[kInt4MaxColumns / kInt4Step];
  Ints offsets[kInt4MaxColumns / kInt4Step];  // lanes of a group's, or two groups', sum times -8
  alignas(32) float units[kUnitRows * kInt4MaxGroups];  // x = unit * integer; again for each row
  alignas(32) float x_sums[kInt4MaxGroups];
};

// Of a thread: 85 KiB of stack.
struct Int4Scratch {
  static constexpr std::int64_t kValues = kUnitRows * kInt4MaxGroups;
  alignas(32) float scales[kInt4MaxRows][kValues + 16];  // (rows, groups), times a row of x's units
  alignas(32) float zeros[kValues + 16];
  alignas(32) std::int32_t sums[kInt4MaxRows][kInt4RowBlock];  // fp32
};

// 32 columns' bytes in half `half` of a step.
inline void store_columns(Ints bytes, int half, std::int8_t* even, std::int8_t* odd) {
  const Ints order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  const Ints split = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(bytes, order), 0b11011000);
  _mm_store_si128(reinterpret_cast<__m128i*>(even + 16 * half), _mm256_castsi256_si128(split));
  _mm_store_si128(reinterpret_cast<__m128i*>(odd + 16 * half), _mm256_extracti128_si256(split, 1));
}

// 32 columns of x times `factor`; their integers' sum, lane by lane.
template <int kDigits>
Ints store_digits(const float* x, Floats factor, int half, DigitStep<kDigits>& step) {
  using Format = DigitFormat<kDigits>;
  Ints digits[kDigits][4];
  Ints sum = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    const Ints number = _mm256_cvtps_epi32(multiply(load_floats(x + i * kLanes), factor));
    sum = add(sum, number);
    Ints rest = add(number, broadcast(Format::kBias));
    for (int d = 0; d < kDigits - 1; ++d) {
      const Ints low = _mm256_and_si256(rest, broadcast((1 << Format::kBits) - 1));
      digits[d][i] = subtract(low, broadcast(Format::kHalf));
      rest = _mm256_srai_epi32(rest, Format::kBits);
    }
    digits[kDigits - 1][i] = rest;
  }
  for (int d = 0; d < kDigits; ++d) {
    const Ints words = _mm256_packs_epi16(_mm256_packs_epi32(digits[d][0], digits[d][1]),
                                          _mm256_packs_epi32(digits[d][2], digits[d][3]));
    const Ints in_order =
        _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    store_columns(in_order, half, step.even[d], step.odd[d]);
  }
  return sum;
}

// The lanes of two vectors' sums as the halves of one.
inline Ints halves_of(Ints first, Ints second) {
  return add(_mm256_permute2x128_si256(first, second, 0x20),
             _mm256_permute2x128_si256(first, second, 0x31));
}

// What the sums of groups are for: `sum` times -8 takes off again that codes are taken as 0 to 15,
// 8 more than they are. Groups of half a step are two in a vector.
template <int kDigits>
class GroupSums {
 public:
  GroupSums(const LinearJob& job, DigitRow<kDigits>& to)
      : halves_(job.group < kInt4Step),
        zeros_(job.group_zeros != nullptr),
        groups_(job.k / job.group),
        to_(to) {}

  void add_group(std::int64_t group, Ints sum, float unit) {
    if (!halves_) {
      to_.offsets[group] = times_minus_8(sum);
    } else if (group % 2 != 0) {
      to_.offsets[group / 2] = times_minus_8(halves_of(before_, sum));
    }
    before_ = sum;
    to_.units[group] = unit;
    if (zeros_) to_.x_sums[group] = unit * sum_of_lanes(to_floats(sum));
  }

  void end_row() {
    for (std::int64_t row = 1; row < kUnitRows && kDigits > 1; ++row) {
      std::copy_n(to_.units, groups_, to_.units + row * groups_);
    }
  }

 private:
  static Ints times_minus_8(Ints sum) {
    return _mm256_slli_epi32(subtract(_mm256_setzero_si256(), sum), 3);
  }

  bool halves_;
  bool zeros_;
  std::int64_t groups_;
  DigitRow<kDigits>& to_;
  Ints before_ = _mm256_setzero_si256();
};

// Row m of x; false where a group is not finite or of numbers so large or small that its
// unit or a factor is not a normal number.
template <int kDigits>
bool prepare_digits(const LinearJob& job, std::int64_t m, DigitRow<kDigits>& to) {
  using Format = DigitFormat<kDigits>;
  constexpr int kBias = 127;              // of an exponent
  constexpr int kSmallest = kBias - 100;  // exponents of the largest of a group that is not zero
  constexpr int kLargest = kBias + 100;
  constexpr float kRoom = 1.004F;  // 2^kNumberBits over the largest sum of digits
  GroupSums<kDigits> sums(job, to);
  Ints wrong = _mm256_setzero_si256();
  alignas(32) float x[kInt4MaxGroup];
  for (std::int64_t group = 0; group < job.k / job.group; ++group) {
    const std::int64_t first = group * job.group;
    job.decode_x(job.args, m, first, first + job.group, reinterpret_cast<std::int32_t*>(x));
    const Ints largest = largest_magnitude(x, job.group);
    const Ints some = _mm256_cmpgt_epi32(largest, _mm256_setzero_si256());
    const Ints small = _mm256_cmpgt_epi32(broadcast(kSmallest << 23), largest);
    const Ints large = _mm256_cmpgt_epi32(largest, broadcast(kLargest << 23));
    wrong = _mm256_or_si256(wrong, _mm256_or_si256(large, _mm256_and_si256(some, small)));
    const Floats room = multiply(_mm256_castsi256_ps(largest), broadcast(kRoom));
    const Ints exponent =
        _mm256_max_epi32(_mm256_srli_epi32(_mm256_castps_si256(room), 23), broadcast(kSmallest));
    const auto power_of_two = [](Ints biased) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
    };
    const Floats factor =
        power_of_two(subtract(broadcast(2 * kBias + Format::kNumberBits - 1), exponent));
    Ints sum = _mm256_setzero_si256();
    for (std::int64_t i = 0; i < job.group; i += kInt4Step / 2) {
      const std::int64_t at = first + i;
      const int half = static_cast<int>(at / (kInt4Step / 2) % 2);
      sum = add(sum, store_digits(x + i, factor, half, to.steps[at / kInt4Step]));
    }
    const Floats unit = power_of_two(subtract(exponent, broadcast(Format::kNumberBits - 1)));
    sums.add_group(group, sum, _mm256_cvtss_f32(unit));
  }
  sums.end_row();
  return _mm256_testz_si256(wrong, wrong) != 0;
}

// int8 x is its digit.
inline void prepare_digits(const LinearJob& job, const std::int8_t* x, DigitRow<1>& to) {
  GroupSums<1> sums(job, to);
  for (std::int64_t group = 0; group < job.k / job.group; ++group) {
    Ints sum = _mm256_setzero_si256();
    for (std::int64_t at = group * job.group; at < (group + 1) * job.group; at += kInt4Step / 2) {
      const Ints bytes = load_ints(x + at);
      DigitStep<1>& step = to.steps[at / kInt4Step];
      store_columns(bytes, static_cast<int>(at / (kInt4Step / 2) % 2), step.even[0], step.odd[0]);
      const Ints pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
      sum = add(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    sums.add_group(group, sum, 1.0F);
  }
  sums.end_row();
}

// Sums of a span's products, a Sums of Int4RowProduct: vpmaddubsw, in int16. `offsets`: what else
// belongs to the total.
template <int kDigits>
struct Int4PairSums {
  Ints offsets;
  Ints sums[kDigits];

  explicit Int4PairSums(Ints offsets) : offsets(offsets) {}

  // Nibbles of a step's even columns and of the odd ones times digit d.
  [[gnu::always_inline]] void add_products(bool first, int d, Ints low, Ints even, Ints high,
                                           Ints odd) {
    const Ints pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(low, even), _mm256_maddubs_epi16(high, odd));
    // GCC would order the additions of a span anew and hold all its products until then: more
    // than there are registers.
    sums[d] = in_register(first ? pairs : _mm256_add_epi16(sums[d], pairs));
  }

  [[gnu::always_inline]] Ints total() const {
    Ints sum = offsets;
#pragma GCC unroll 3
    for (int d = 0; d < kDigits; ++d) {
      const auto weight = static_cast<short>(1 << (d * DigitFormat<kDigits>::kBits));
      sum = add(sum, _mm256_madd_epi16(sums[d], _mm256_set1_epi16(weight)));
    }
    return sum;
  }
};

// A row of the weight times x. A span is a group of kSteps steps, or with kHalves a step of two
// groups, whose sums are the halves of a vector.
template <template <int> class Sums, int kDigits, int kSteps, bool kHalves>
struct Int4RowProduct {
  std::int64_t spans;

  [[gnu::always_inline]] static Floats scale_of(const float* scales, std::int64_t span) {
    if constexpr (!kHalves) return broadcast(scales[span]);
    const auto both =
        _mm256_castpd_ps(_mm256_broadcast_sd(reinterpret_cast<const double*>(scales + 2 * span)));
    return _mm256_permutevar_ps(both, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
  }

  // The span's sum in units of x.
  [[gnu::always_inline]] static Floats sum_of_span(const DigitRow<kDigits>& x,
                                                   const std::uint8_t* codes, std::int64_t span) {
    const Ints nibble = _mm256_set1_epi8(0x0F);
    Sums<kDigits> sums(x.offsets[span]);
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      const DigitStep<kDigits>& step = x.steps[span * kSteps + i];
      const Ints bytes = _mm256_xor_si256(load_ints(codes + (span * kSteps + i) * (kInt4Step / 2)),
                                          _mm256_set1_epi8(static_cast<char>(0x88)));
      const Ints low = _mm256_and_si256(bytes, nibble);
      const Ints high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
#pragma GCC unroll 3
      for (int d = 0; d < kDigits; ++d) {
        sums.add_products(i == 0, d, low, load_ints(step.even[d]), high, load_ints(step.odd[d]));
      }
    }
    // A lane is a sum of at most 32 products below 15 * 2^21.
    return to_floats(sums.total());
  }

  // Two spans at a time, so that additions do not wait for each other.
  [[gnu::always_inline]] Floats run(const DigitRow<kDigits>& x, const std::uint8_t* codes,
                                    const float* scales) const {
    Floats totals[2] = {};
    std::int64_t span = 0;
    for (; span + 2 <= spans; span += 2) {
      const auto* next =
          reinterpret_cast<const char*>(codes + span * kSteps * (kInt4Step / 2) + kInt4FetchAhead);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) _mm_prefetch(next + 64 * i, _MM_HINT_T0);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        totals[i] =
            multiply_add(sum_of_span(x, codes, span + i), scale_of(scales, span + i), totals[i]);
      }
    }
    if (span < spans) {
      totals[0] = multiply_add(sum_of_span(x, codes, span), scale_of(scales, span), totals[0]);
    }
    return add(totals[0], totals[1]);
  }
};

// Scales of `rows` rows of the weight times the units of each row of x, and zeros.
template <int kDigits>
void hold_int4_groups(const LinearJob& job, const DigitRow<kDigits>* x, std::int64_t n,
                      std::int64_t rows, Int4Scratch& scratch) {
  const std::int64_t groups = job.k / job.group;
  const float* plain = scratch.scales[job.m - 1];
  job.group_scales(job.args, n, rows, 0, groups, scratch.scales[job.m - 1]);
  for (std::int64_t m = 0; m < job.m && kDigits > 1; ++m) {
    for (std::int64_t row = 0; row < rows; row += kUnitRows) {
      const std::int64_t at = row * groups;
      for (std::int64_t i = 0; i < smaller(kUnitRows, rows - row) * groups; i += kLanes) {
        store_floats(scratch.scales[m] + at + i,
                     multiply(load_floats(plain + at + i), load_floats(x[m].units + i)));
      }
    }
  }
  if (job.group_zeros != nullptr) {
    job.group_zeros(job.args, n, rows, 0, groups, scratch.zeros);
  }
}

// sums[i], i < count <= 4: of row n + i of the weight and a row of x, with their scales and zeros.
template <class Product, int kDigits>
void multiply_four_int4_rows(const LinearJob& job, const Product& product,
                             const DigitRow<kDigits>& x, const std::uint8_t* codes,
                             std::int64_t count, const float* scales, const float* zeros,
                             std::int32_t* sums) {
  const std::int64_t groups = job.k / job.group;
  Floats all[kInt4Rows] = {};
  for (std::int64_t row = 0; row < count; ++row) {
    all[row] = product.run(x, codes + row * (job.k / 2), scales + row * groups);
  }
  for (std::int64_t row = 0; row < count && job.group_zeros != nullptr; ++row) {
    for (std::int64_t i = 0; i < groups; i += kLanes) {
      const Lanes lanes = first_lanes(groups - i);
      all[row] = multiply_add(load_floats(zeros + row * groups + i, lanes),
                              load_floats(x.x_sums + i, lanes), all[row]);
    }
  }
  _mm_store_ps(reinterpret_cast<float*>(sums), sum_of_each(all));
}

inline bool fits_int4_rows(const LinearJob& job) {
  const bool group = job.group == 32 || job.group == 64 || job.group == 128 || job.group == 256;
  return job.m > 0 && job.m <= kInt4MaxRows && group && job.k > 0 && job.k % kInt4Step == 0 &&
         job.k <= kInt4MaxColumns;
}

// body(begin, end) of blocks of `rows` rows of the weight: as many ranges for each thread.
template <class Body>
void share_nibble_rows(const LinearJob& job, std::int64_t rows, const Body& body) {
  constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes of the weight: some 3 us
  const std::int64_t blocks = ceil_div(job.n, rows);
  const std::int64_t grain = ceil_div(kWorthAThread, job.k / 2 * rows);
  const std::int64_t threads = threads_of(job.parallel);
  const std::int64_t ranges = blocks / grain / threads * threads;
  parallel_for(job.parallel, blocks, ranges == 0 ? grain : ceil_div(blocks, ranges), body);
}

template <class Product, int kDigits>
void multiply_int4_weight(const LinearJob& job, const std::uint8_t* codes,
                          const DigitRow<kDigits>* x, const Product& product) {
  const std::int64_t row_bytes = job.k / 2;
  const std::int64_t groups = job.k / job.group;
  // Whose scales are held at once
  const std::int64_t held_rows =
      smaller(Int4Scratch::kValues / groups / kUnitRows * kUnitRows, kInt4RowBlock);
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    Int4Scratch scratch;
    const std::int64_t last = smaller(end * kInt4Rows, job.n);
    for (std::int64_t n = begin * kInt4Rows; n < last; n += kInt4RowBlock) {
      const std::int64_t count = smaller(kInt4RowBlock, last - n);
      for (std::int64_t at = 0; at < count; at += kInt4Rows) {
        const std::int64_t held = at % held_rows;
        if (held == 0) {
          hold_int4_groups(job, x, n + at, smaller(held_rows, count - at), scratch);
        }
        for (std::int64_t m = 0; m < job.m; ++m) {
          const float* scales = scratch.scales[kDigits > 1 ? m : job.m - 1];
          multiply_four_int4_rows(job, product, x[m], codes + (n + at) * row_bytes,
                                  smaller(kInt4Rows, count - at), scales + held * groups,
                                  scratch.zeros + held * groups, scratch.sums[m] + at);
        }
      }
      for (std::int64_t m = 0; m < job.m; ++m) {
        finish_row<false>(job, m, n, count, scratch.sums[m]);
      }
    }
  };
  share_nibble_rows(job, kInt4Rows, body);
}

// x: job.m rows. job fits_int4_rows.
template <template <int> class Sums, int kDigits>
void multiply_int4_rows(const LinearJob& job, const std::uint8_t* codes,
                        const DigitRow<kDigits>* x) {
  const std::int64_t steps = job.k / kInt4Step;
  switch (job.group) {
    case 32:
      return multiply_int4_weight(job, codes, x, Int4RowProduct<Sums, kDigits, 1, true>{steps});
    case 64:
      return multiply_int4_weight(job, codes, x, Int4RowProduct<Sums, kDigits, 1, false>{steps});
    case 128:
      return multiply_int4_weight(job, codes, x,
                                  Int4RowProduct<Sums, kDigits, 2, false>{steps / 2});
    default:
      return multiply_int4_weight(job, codes, x,
                                  Int4RowProduct<Sums, kDigits, 4, false>{steps / 4});
  }
}

// Not inlined: 300 KiB of stack. False where a row of x does not fit the fixed point: nothing is
// written then.
template <template <int> class Sums, int kDigits>
[[gnu::noinline]] bool multiply_int4_rows(const LinearJob& job, const std::uint8_t* codes) {
  DigitRow<kDigits> x[kInt4MaxRows];
  for (std::int64_t m = 0; m < job.m; ++m) {
    if (!prepare_digits(job, m, x[m])) return false;
  }
  multiply_int4_rows<Sums>(job, codes, x);
  return true;
}

}  // namespace
}  // namespace lowp::kernels
