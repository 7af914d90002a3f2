// Few rows of x times weights of 1 to 7 bits, in integers: bound by reading the weight. Codes are
// taken as they lie in their bit stream, unsigned, and multiplied as bytes. x is int8, or fixed
// point in balanced digits of 8 bits, whose unit is chosen for each span of it. Three hold 22 bits
// and a sign: off by 2^-22 of the span's largest number at most, which a sum of as many fp32
// products is too. Two hold 15: bf16 above 2^-7 of the largest is exact, the rest off by 2^-15 of
// it at most, a 64th of what rounding the result to bf16 costs. x waits in L1 in the order that the
// codes come out, beside what the codes' offset adds up to. Rows of the weight go by one after the
// other, a stream that the hardware reads ahead by itself.
//
// A file of one ISA level includes its vectors first and has a Level:
//   kStep                    columns of a step, a vector of bytes
//   kFetchBytes              of the weight for one fetch ahead
//   Decoder<kBits>           decode(codes): a step's codes, column c in byte place(c); reads kReach
//                            bytes. Its members are the constants of that
//   multiply_add(sum, codes, x)   into int32, or int16 Narrow for kNarrowSteps<kBits> steps, widen
//   sum_of_bytes(bytes)      of each 4, as int32
//   round(floats)            to int32
//   largest_magnitude(x, count)   bits of the largest |x|; count: a multiple of kStep
//   digit(numbers, d)        byte d of a step's columns less 128, in order
//   arrange<Decoder>(bytes)  columns in order to their places
//   spread<Decoder>(values)  a number for each 32 columns of a step, to its lanes
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <type_traits>

#include "kernels/linear_common/elements_inl.h"
#include "kernels/linear_common/few_rows.h"
#include "kernels/linear_common/finish_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kIntxFetchAhead = 4096;  // bytes
constexpr std::int64_t kIntxMaxRows = 4;
constexpr std::int64_t kIntxMaxColumns = 16384;
constexpr std::int64_t kIntxUnit = 32;       // columns that share a scale where a step has several
constexpr std::int64_t kIntxSpanSteps = 32;  // at most
constexpr std::int64_t kIntxRowBlock = 64;   // rows of the weight whose results leave together
constexpr std::int64_t kIntxMaxCells = kIntxMaxColumns / kIntxUnit + 16;

// How the columns divide: a span is what is multiplied between two scalings. A cell has one scale:
// a span, or 32 columns where a step has several scales.
struct IntxSpans {
  bool whole;           // a cell is a span
  std::int64_t steps;   // of a row
  std::int64_t length;  // steps of a span; the last one may be shorter
  std::int64_t count;
  std::int64_t cells;
  std::int64_t repeat;  // cells of a group
};

inline IntxSpans intx_spans(std::int64_t k, std::int64_t group, std::int64_t step_columns) {
  const std::int64_t steps = ceil_div(k, step_columns);
  const bool whole = group >= k || group % step_columns == 0;
  std::int64_t length = 1;
  if (group >= k) {
    length = smaller(steps, kIntxSpanSteps);
  } else if (whole) {
    length = group / step_columns;
    if (length > kIntxSpanSteps) length = std::gcd(length, kIntxSpanSteps);
  }
  const std::int64_t cell_columns = whole ? length * step_columns : kIntxUnit;
  const std::int64_t cells = ceil_div(k, cell_columns);
  const std::int64_t repeat = group >= k ? cells : group / cell_columns;
  return {whole, steps, length, ceil_div(steps, length), cells, repeat};
}

inline bool fits_intx_rows(const LinearJob& job) {
  return job.m > 0 && job.m <= kIntxMaxRows && job.k > 0 && job.k <= kIntxMaxColumns &&
         (job.group >= job.k || job.group % kIntxUnit == 0);
}

// The rows of x, made once for all threads: 230 KiB of stack for one digit, 480 for three.
template <int kDigits>
struct IntxRows {
  alignas(64) std::int8_t digits[kIntxMaxRows][kDigits * kIntxMaxColumns];  // step by step
  // Of each span's lanes: what the codes' offset adds to the sum of each digit, and to that of all.
  static constexpr std::int64_t kStarts = kDigits == 1 ? 1 : kDigits + 1;
  alignas(64) std::int32_t starts[kIntxMaxRows][kStarts * kIntxMaxColumns / 4];
  alignas(64) float x_sums[kIntxMaxRows][kIntxMaxColumns / 4];  // of each span's lanes
  float units[kIntxMaxRows][kIntxMaxColumns / kIntxUnit];       // of each span
  std::int64_t rows[kIntxMaxRows];                              // of x
  std::int64_t count = 0;
};

// A row being held: spans are ended one after the other.
template <class Level, class Decoder, int kDigits>
class IntxRowWriter {
 public:
  IntxRowWriter(IntxRows<kDigits>& to, std::int64_t row, std::int32_t offset)
      : to_(to), at_(to.count), offset_(offset) {
    to.rows[at_] = row;
  }

  // A digit of a step, in the order of its columns.
  void add(int digit, Ints bytes) {
    const Ints placed = Level::template arrange<Decoder>(bytes);
    store_ints(to_.digits[at_] + (step_ * kDigits + digit) * Level::kStep, placed);
    sums_[digit] = add_lanes(sums_[digit], Level::sum_of_bytes(placed));
  }
  void end_step() { ++step_; }

  void end_span(float unit) {
    to_.units[at_][span_] = unit;
    std::int32_t* starts = to_.starts[at_] + span_ * IntxRows<kDigits>::kStarts * kLanes;
    Floats sum = broadcast(0.0F);
    Int32s all{};
    for (int d = kDigits - 1; d >= 0; --d) {
      const auto digit_sum = reinterpret_cast<Ints>(sums_[d]);
      store_ints(starts + d * kLanes, multiply(digit_sum, broadcast(-offset_)));
      sum = multiply_add(sum, broadcast(256.0F), to_floats(digit_sum));
      all = all * 256 + sums_[d];
      sums_[d] = Int32s{};
    }
    if constexpr (kDigits > 1) {
      store_ints(starts + kDigits * kLanes,
                 multiply(reinterpret_cast<Ints>(all), broadcast(-offset_)));
    }
    store_floats(to_.x_sums[at_] + span_ * kLanes, multiply(sum, broadcast(unit)));
    ++span_;
  }
  void end_row() { ++to_.count; }

 private:
  static Int32s add_lanes(Int32s a, Int32s b) { return a + b; }

  IntxRows<kDigits>& to_;
  std::int64_t at_;
  std::int32_t offset_;
  std::int64_t step_ = 0;
  std::int64_t span_ = 0;
  Int32s sums_[kDigits] = {};
};

inline float bits_to_float(std::int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline std::int32_t float_to_bits(float value) {
  std::int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// False where a number is not finite, or a span's so large or small that its unit or a factor is
// not a normal number; nothing is held then.
template <class Level, int kBits, int kDigits>
bool hold_floats(const Matrix& x, std::int64_t row, const IntxSpans& spans, std::int32_t offset,
                 IntxRows<kDigits>& to) {
  using Decoder = typename Level::template Decoder<kBits>;
  constexpr int kExponent = kDigits == 2 ? 14 : 21;  // of a span's largest number
  constexpr std::int32_t kBias = 0x808080 >> (8 * (3 - kDigits));
  constexpr float kRoom = kDigits == 2 ? 1.004F : 1.0F;  // 2^15 over the largest sum of digits
  constexpr std::int32_t kSmallest = (127 - 100) << 23;
  constexpr std::int32_t kLargest = (127 + 100) << 23;
  IntxRowWriter<Level, Decoder, kDigits> writer(to, row, offset);
  alignas(64) float values[kIntxSpanSteps * Level::kStep];
  for (std::int64_t span = 0; span < spans.count; ++span) {
    const std::int64_t first = span * spans.length * Level::kStep;
    const std::int64_t last = smaller(first + spans.length * Level::kStep, x.cols);
    const std::int64_t steps = ceil_div(last - first, Level::kStep);
    std::memset(values + (steps - 1) * Level::kStep, 0, Level::kStep * sizeof(float));
    matrix_to_fp32(x, row, first, last, reinterpret_cast<std::int32_t*>(values));
    // Bits of magnitudes are ordered as they are, NaN above all.
    const std::int32_t largest = Level::largest_magnitude(values, steps * Level::kStep);
    if (largest != 0 && (largest < kSmallest || largest > kLargest)) return false;
    const std::int32_t room = float_to_bits(bits_to_float(largest) * kRoom);
    const int exponent = largest == 0 ? 0 : kExponent + 127 - (room >> 23);
    const Floats factor = broadcast(bits_to_float((127 + exponent) << 23));
    for (std::int64_t step = 0; step < steps; ++step) {
      Ints numbers[4];
      for (int i = 0; i < 4; ++i) {
        const Floats part = load_floats(values + step * Level::kStep + i * kLanes);
        // Bytes of this are the balanced digits, 128 more than they are.
        numbers[i] = add(Level::round(multiply(part, factor)), broadcast(kBias));
      }
      for (int d = 0; d < kDigits; ++d) writer.add(d, Level::digit(numbers, d));
      writer.end_step();
    }
    writer.end_span(bits_to_float((127 - exponent) << 23));
  }
  writer.end_row();
  return true;
}

template <class Level, int kBits>
void hold_int8(const std::int8_t* x, std::int64_t row, std::int64_t k, const IntxSpans& spans,
               std::int32_t offset, IntxRows<1>& to) {
  using Decoder = typename Level::template Decoder<kBits>;
  IntxRowWriter<Level, Decoder, 1> writer(to, row, offset);
  for (std::int64_t step = 0; step < spans.steps; ++step) {
    const std::int64_t left = k - step * Level::kStep;
    if (left >= Level::kStep) {
      writer.add(0, load_ints(x + step * Level::kStep));
    } else {
      alignas(64) std::int8_t last[Level::kStep] = {};
      std::memcpy(last, x + step * Level::kStep, static_cast<std::size_t>(left));
      writer.add(0, load_ints(last));
    }
    writer.end_step();
    if ((step + 1) % spans.length == 0 || step + 1 == spans.steps) writer.end_span(1.0F);
  }
  writer.end_row();
}

// One row of the weight.
struct IntxCodes {
  const std::uint8_t* codes;
  std::int64_t readable;  // bytes up to the end of the weight
  const float* scales;    // of its cells
  const float* points;    // minus the zero points, or nullptr
  const float* zeros;     // or nullptr
};

// What is behind the last steps that can be read whole. Not inlined, so that sums stay in registers
// where it is not needed.
template <class Decoder>
[[gnu::noinline]] Ints decode_last(const std::uint8_t* codes, std::int64_t readable) {
  alignas(64) std::uint8_t buffer[Decoder::kReach] = {};
  std::memcpy(buffer, codes, static_cast<std::size_t>(smaller(readable, Decoder::kReach)));
  return Decoder().decode(buffer);
}

// sums += steps [step, end) of the row. kReadable: all of them can be read whole. kLength: how many
// they are, or 0 for any number.
template <class Level, int kBits, int kDigits, int kX, int kLength, bool kReadable>
[[gnu::always_inline]] inline void add_intx_steps(
    const typename Level::template Decoder<kBits>& decoder, const IntxCodes& row,
    const IntxRows<kDigits>& rows, std::int64_t m, std::int64_t step, std::int64_t end,
    Int32s (&sums)[kX][kDigits]) {
  using Decoder = typename Level::template Decoder<kBits>;
  constexpr std::int64_t kStepBytes = Level::kStep * kBits / 8;
  // place: of the step behind a fetch, as far as it is known
  const auto add_step = [&](auto& to, std::int64_t at, int place) __attribute__((always_inline)) {
    const std::uint8_t* stored = row.codes + at * kStepBytes;
    // Rows are one stream, which a core reads ahead by itself at two thirds of this speed (Xeon).
    if (place * kStepBytes / Level::kFetchBytes != (place - 1) * kStepBytes / Level::kFetchBytes ||
        place == 0) {
      _mm_prefetch(reinterpret_cast<const char*>(stored) + kIntxFetchAhead, _MM_HINT_T0);
    }
    Ints codes;
    if constexpr (kReadable) {
      codes = decoder.decode(stored);
    } else {
      codes = decode_last<Decoder>(stored, row.readable - at * kStepBytes);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kX; ++i) {
      const std::int8_t* x = rows.digits[m + i] + at * kDigits * Level::kStep;
#pragma GCC unroll 3
      for (int d = 0; d < kDigits; ++d) {
        to[i][d] = Level::multiply_add(to[i][d], codes, load_ints(x + d * Level::kStep));
      }
    }
  };
  if constexpr (requires { typename Level::Narrow; }) {
    constexpr std::int64_t kNarrowSteps = Level::template kNarrowSteps<kBits>;
    const auto widen = [&](const auto& narrow) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int i = 0; i < kX; ++i) {
#pragma GCC unroll 3
        for (int d = 0; d < kDigits; ++d) sums[i][d] = Level::widen(sums[i][d], narrow[i][d]);
      }
    };
    if constexpr (kLength > 0) {
      constexpr int kPart = static_cast<int>(std::min<std::int64_t>(kNarrowSteps, kLength));
      static_assert(kLength % kPart == 0);
#pragma GCC unroll 4
      for (int first = 0; first < kLength; first += kPart) {
        typename Level::Narrow narrow[kX][kDigits] = {};
#pragma GCC unroll 4
        for (int i = first; i < first + kPart; ++i) add_step(narrow, step + i, i);
        widen(narrow);
      }
    } else {
      while (step < end) {
        typename Level::Narrow narrow[kX][kDigits] = {};
        for (const std::int64_t last = smaller(step + kNarrowSteps, end); step < last; ++step) {
          add_step(narrow, step, 0);
        }
        widen(narrow);
      }
    }
  } else if constexpr (kLength > 0) {
#pragma GCC unroll 4
    for (int i = 0; i < kLength; ++i) add_step(sums, step + i, i);
  } else {
    for (; step < end; ++step) add_step(sums, step, 0);
  }
}

// Whether a span's sum of all digits fits int32, four columns a lane and step: numbers of three
// digits are below 2^22, of two below 2^15.
constexpr bool fits_one_sum(int digits, int bits, int length) {
  return digits == 2 || (length > 0 && length << bits < 128);
}

// A span's sums of digits as a number, in units of x.
template <bool kOneSum, int kDigits>
[[gnu::always_inline]] inline Floats join_digits(const Int32s (&sums)[kDigits],
                                                 const std::int32_t* starts) {
  const auto start = [starts](int d) {
    return reinterpret_cast<Int32s>(load_ints(starts + d * kLanes));
  };
  if constexpr (kDigits == 1) {
    return to_floats(reinterpret_cast<Ints>(sums[0] + start(0)));
  } else if constexpr (kOneSum) {
    Int32s all = start(kDigits);
#pragma GCC unroll 3
    for (int d = 0; d < kDigits; ++d) all += sums[d] << (8 * d);
    return to_floats(reinterpret_cast<Ints>(all));
  } else {
    Floats all = broadcast(0.0F);
#pragma GCC unroll 3
    for (int d = kDigits - 1; d >= 0; --d) {
      const Floats digit = to_floats(reinterpret_cast<Ints>(sums[d] + start(d)));
      all = d == kDigits - 1 ? digit : multiply_add(all, broadcast(256.0F), digit);
    }
    return all;
  }
}

// results[i]: the row of the weight times row m + i of those held. kLength: steps of every span, or
// 0.
template <class Level, int kBits, int kDigits, int kX, int kLength, bool kWhole>
void multiply_intx_row(const IntxCodes& row, const IntxSpans& spans, const IntxRows<kDigits>& rows,
                       std::int64_t m, float* results) {
  using Decoder = typename Level::template Decoder<kBits>;
  constexpr std::int64_t kStepBytes = Level::kStep * kBits / 8;
  constexpr std::int64_t kStarts = IntxRows<kDigits>::kStarts;
  const std::int64_t readable_steps =
      row.readable < Decoder::kReach ? 0 : (row.readable - Decoder::kReach) / kStepBytes + 1;
  const std::int64_t length = kLength > 0 ? kLength : spans.length;
  const bool shifts = row.points != nullptr || row.zeros != nullptr;
  const auto parameter = [](const float* values, std::int64_t span) __attribute__((always_inline)) {
    if constexpr (kWhole) return broadcast(values[span]);
    return Level::template spread<Decoder>(values + span * (Level::kStep / kIntxUnit));
  };
  const Decoder decoder;
  Floats totals[kX];
  for (Floats& total : totals) total = broadcast(0.0F);
  const auto add_span = [&]<bool kReadable>(std::bool_constant<kReadable>, std::int64_t span)
      __attribute__((always_inline)) {
    const std::int64_t step = span * length;
    Int32s sums[kX][kDigits] = {};
    add_intx_steps<Level, kBits, kDigits, kX, kLength, kReadable>(
        decoder, row, rows, m, step, smaller(step + length, spans.steps), sums);
    const Floats scale = parameter(row.scales, span);
#pragma GCC unroll 4
    for (int i = 0; i < kX; ++i) {
      Floats product = join_digits<fits_one_sum(kDigits, kBits, kLength)>(
          sums[i], rows.starts[m + i] + span * kStarts * kLanes);
      if constexpr (kDigits > 1) product = multiply(product, broadcast(rows.units[m + i][span]));
      if (shifts) {
        const Floats x_sum = load_floats(rows.x_sums[m + i] + span * kLanes);
        if (row.points != nullptr) {
          product = multiply_add(parameter(row.points, span), x_sum, product);
        } else {
          totals[i] = multiply_add(parameter(row.zeros, span), x_sum, totals[i]);
        }
      }
      totals[i] = multiply_add(product, scale, totals[i]);
    }
  };
  std::int64_t span = 0;
  const std::int64_t readable_spans = smaller(readable_steps / length, spans.steps / length);
  for (; span < readable_spans; ++span) add_span(std::true_type{}, span);
  for (; span < spans.count; ++span) add_span(std::false_type{}, span);
  for (int i = 0; i < kX; ++i) results[i] = sum_of_lanes(totals[i]);
}

// By how the spans are.
template <class Level, int kBits, int kDigits, int kX>
void multiply_intx_row_of(const IntxCodes& row, const IntxSpans& spans,
                          const IntxRows<kDigits>& rows, std::int64_t m, float* results) {
  const auto run = [&]<int kLength>(std::integral_constant<int, kLength>) {
    multiply_intx_row<Level, kBits, kDigits, kX, kLength, true>(row, spans, rows, m, results);
  };
  if constexpr (Level::kStep > kIntxUnit) {
    if (!spans.whole) {
      return multiply_intx_row<Level, kBits, kDigits, kX, 1, false>(row, spans, rows, m, results);
    }
  }
  if constexpr (kX == 1) {
    const std::int64_t length = spans.steps % spans.length == 0 ? spans.length : 0;
    if (length == 1) return run(std::integral_constant<int, 1>{});
    if (length == 2) return run(std::integral_constant<int, 2>{});
    if (length == 4) return run(std::integral_constant<int, 4>{});
  }
  run(std::integral_constant<int, 0>{});
}

// Of a thread: numbers of groups of several rows of the weight, and of cells of one.
struct IntxParameters {
  static constexpr std::int64_t kValues = 4 * kIntxMaxCells;
  alignas(64) float groups[kValues + 16];
  alignas(64) float cells[kIntxMaxCells];
};

struct IntxScratch {
  IntxParameters scales;
  IntxParameters points;
  IntxParameters zeros;
  alignas(64) float sums[kIntxMaxRows][kIntxRowBlock];
};

// The cells of a row whose groups have these numbers. A step of several cells may reach over the
// last one, where 0 lies.
inline const float* cells_of(const float* groups, const IntxSpans& spans, float* cells) {
  if (spans.repeat == 1 && (spans.whole || spans.cells % 2 == 0)) return groups;
  std::int64_t cell = 0;
  for (; cell < spans.cells; ++groups) {
    for (std::int64_t i = 0; i < spans.repeat; ++i) cells[cell++] = *groups;
  }
  cells[cell] = 0.0F;
  return cells;
}

// scratch.sums of `count` rows of the weight from n on.
template <class Level, int kBits, int kDigits>
void multiply_intx_block(const LinearJob& job, const std::uint8_t* weight, const IntxSpans& spans,
                         const IntxRows<kDigits>& rows, std::int64_t n, std::int64_t count,
                         IntxScratch& scratch) {
  constexpr int kMostX = kDigits == 1 ? 4 : 2;  // rows of x whose sums fit registers
  const std::int64_t row_bytes = job.k / 8 * kBits;
  const std::int64_t groups = job.k / smaller(job.group, job.k);
  const std::int64_t at_once = std::clamp<std::int64_t>(IntxParameters::kValues / groups, 1, count);
  std::int64_t held = -1;  // row of those whose parameters are there
  for (std::int64_t at = 0; at < count; ++at) {
    held = held + 1 < at_once ? held + 1 : 0;
    const auto hold = [&](LinearJob::GroupValues get, IntxParameters& values) -> const float* {
      if (get == nullptr) return nullptr;
      if (held == 0) {
        get(job.args, n + at, smaller(at_once, count - at), 0, groups, values.groups);
      }
      return cells_of(values.groups + held * groups, spans, values.cells);
    };
    const IntxCodes row{weight + (n + at) * row_bytes, (job.n - n - at) * row_bytes,
                        hold(job.group_scales, scratch.scales),
                        hold(job.group_offsets, scratch.points),
                        hold(job.group_zeros, scratch.zeros)};
    const auto multiply = [&]<int kX>(std::integral_constant<int, kX>, std::int64_t m) {
      float results[kX];
      multiply_intx_row_of<Level, kBits, kDigits, kX>(row, spans, rows, m, results);
      for (int i = 0; i < kX; ++i) scratch.sums[m + i][at] = results[i];
    };
    for (std::int64_t m = 0; m < rows.count; m += kMostX) {
      switch (smaller(rows.count - m, kMostX)) {
        case 1:
          multiply(std::integral_constant<int, 1>{}, m);
          break;
        case 2:
          multiply(std::integral_constant<int, 2>{}, m);
          break;
        case 3:
          multiply(std::integral_constant<int, std::min(3, kMostX)>{}, m);
          break;
        default:
          multiply(std::integral_constant<int, kMostX>{}, m);
          break;
      }
    }
  }
}

// job.group_scales, group_offsets (minus the zero points) and group_zeros, of the rows held.
template <class Level, int kBits, int kDigits>
void multiply_intx_rows(const LinearJob& job, const std::uint8_t* weight, const IntxSpans& spans,
                        const IntxRows<kDigits>& rows) {
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    IntxScratch scratch;
    const std::int64_t last = smaller(end * kLanes, job.n);
    for (std::int64_t n = begin * kLanes; n < last; n += kIntxRowBlock) {
      const std::int64_t count = smaller(kIntxRowBlock, last - n);
      multiply_intx_block<Level, kBits>(job, weight, spans, rows, n, count, scratch);
      for (std::int64_t m = 0; m < rows.count; ++m) {
        finish_row<false>(job, rows.rows[m], n, count,
                          reinterpret_cast<const std::int32_t*>(scratch.sums[m]));
      }
    }
  };
  parallel_for(job.parallel, ceil_div(job.n, kLanes), ceil_div(kFewRowsGrain, job.k * kLanes),
               body);
}

// Calls f with the number of bits, 1 to 7, as a constant.
template <class Function>
[[gnu::always_inline]] inline void with_bits(int bits, const Function& f) {
  switch (bits) {
    case 1:
      return f(std::integral_constant<int, 1>{});
    case 2:
      return f(std::integral_constant<int, 2>{});
    case 3:
      return f(std::integral_constant<int, 3>{});
    case 4:
      return f(std::integral_constant<int, 4>{});
    case 5:
      return f(std::integral_constant<int, 5>{});
    case 6:
      return f(std::integral_constant<int, 6>{});
    default:
      return f(std::integral_constant<int, 7>{});
  }
}

}  // namespace
}  // namespace lowp::kernels
