// Products with few rows of x, as in decoding: bound by reading the weight. Codes become elements
// in registers; x waits in L1 in the order that the codes come out. For files of level avx2:
// internal linkage.
//
// A Format has
//   Element, Sum       of x: float or int16; of products: Floats or Int32s, and then kInteger
//   kCodes, kBytes     along K in one step of the loop
//   kParts             vectors that one step decodes to
//   place(i)           where the parts have code i of a step, in elements
//   kHalves            whether the first half of the parts is the first half of the codes
//   decode(codes, parts)
//   multiply_add(sum, part, x)
// and may have
//   kPower             decode gives numbers 2^-kPower of what the codes are: x makes up for it
//   Watch              see(codes), and spoilt() of what it has seen: decode takes no care of NaN
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "kernels/linear_common/avx2_vector_inl.h"
#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_common/job.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kMaxFewRows = 4;    // rows of x
constexpr std::int64_t kWeightRows = 4;    // rows of the weight whose scales and sums go together
constexpr std::int64_t kRowBlock = 64;     // rows of the weight that share one part of x
constexpr std::int64_t kMaxChunk = 16384;  // columns of x held at once
constexpr std::int64_t kMaxGroups = kMaxChunk / 16 + 16;  // of a chunk, and what job.h says more
constexpr std::int64_t kHalfGroup = 16;                   // columns that are half a step

// About 310 KiB of stack a thread, of which one row of x uses a quarter.
struct RowScratch {
  alignas(64) std::int32_t x[kMaxFewRows][kMaxChunk];
  alignas(64) float x_sums[kMaxFewRows][kMaxGroups];
  alignas(64) float scales[kWeightRows * kMaxGroups];  // (4, groups of the chunk)
  alignas(64) float zeros[kWeightRows * kMaxGroups];
  alignas(64) std::int32_t sums[kMaxFewRows][kRowBlock];  // fp32, or int32
  float factors[kMaxFewRows];                             // of the chunk's sums
};

// Columns [begin, end) of x and of the weight.
struct Chunk {
  std::int64_t begin;
  std::int64_t end;
};

template <class Format>
constexpr bool is_in_order() {
  for (int i = 0; i < Format::kCodes; ++i) {
    if (Format::place(i) != i) return false;
  }
  return true;
}

// In place, a step at a time: elements in the order that decoded parts have them.
template <class Format>
void order_x(std::int32_t* x, std::int64_t steps) {
  if constexpr (is_in_order<Format>()) return;
  using Element = typename Format::Element;
  char* at = reinterpret_cast<char*>(x);
  for (std::int64_t step = 0; step < steps; ++step, at += Format::kCodes * sizeof(Element)) {
    alignas(32) Element from[Format::kCodes];
    alignas(32) Element to[Format::kCodes];
    std::memcpy(from, at, sizeof(from));
#pragma GCC unroll 64
    for (int i = 0; i < Format::kCodes; ++i) to[Format::place(i)] = from[i];
    std::memcpy(at, to, sizeof(to));
  }
}

// Sum of the elements of each group.
inline void sum_groups(const LinearJob& job, Chunk chunk, const std::int32_t* x, float* sums) {
  for (std::int64_t begin = chunk.begin; begin < chunk.end; begin += job.group) {
    const std::int64_t count = smaller(job.group, chunk.end - begin);
    const auto* group = reinterpret_cast<const float*>(x + begin - chunk.begin);
    Floats sum = broadcast(0.0F);
    for (std::int64_t at = 0; at < count; at += kLanes) {
      sum = add(sum, load_floats(group + at, first_lanes(count - at)));
    }
    *sums++ = sum_of_lanes(sum);
  }
}

// Of numbers that are normal.
inline int exponent_of(float value) { return (std::bit_cast<std::int32_t>(value) >> 23) - 127; }
inline float power_of_two(int exponent) { return std::bit_cast<float>((exponent + 127) << 23); }

// x times a power of two up to 2^kPower that keeps it finite; what the sums lack then.
template <int kPower>
float enlarge_x(std::int32_t* x, std::int64_t count) {
  const int exponent = exponent_of(std::bit_cast<float>(largest_bits(x, count)));
  const int power = std::clamp(126 - exponent, 0, kPower);
  const Floats factor = broadcast(power_of_two(power));
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store_floats(x + i, multiply(load_floats(x + i), factor));
  }
  return power_of_two(kPower - power);
}

template <class Format>
void prepare_x(const LinearJob& job, Chunk chunk, RowScratch& scratch) {
  constexpr std::int64_t kStepBytes = Format::kCodes * sizeof(typename Format::Element);
  const std::int64_t steps = ceil_div(chunk.end - chunk.begin, Format::kCodes);
  for (std::int64_t m = 0; m < job.m; ++m) {
    std::int32_t* x = scratch.x[m];
    // The last step may reach over the decoded vectors.
    std::memset(reinterpret_cast<char*>(x) + (steps - 1) * kStepBytes, 0, kStepBytes);
    job.decode_x(job.args, m, chunk.begin, chunk.end, x);
    if (job.group_zeros != nullptr) sum_groups(job, chunk, x, scratch.x_sums[m]);
    if constexpr (requires { Format::kPower; }) {
      scratch.factors[m] = enlarge_x<Format::kPower>(x, steps * Format::kCodes);
    }
    order_x<Format>(x, steps);
  }
}

// Lane i of the result: the whole of vector i.
inline __m128i sum_of_each(const Int32s* v) {
  const auto part = [v](int i) { return reinterpret_cast<__m256i>(v[i]); };
  const __m256i abcd =
      _mm256_hadd_epi32(_mm256_hadd_epi32(part(0), part(1)), _mm256_hadd_epi32(part(2), part(3)));
  return _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1));
}

struct NoWatch {
  static void see(const std::uint8_t* /*codes*/) {}
};

template <class Format>
auto watch_of() {
  if constexpr (requires { typename Format::Watch; }) {
    return typename Format::Watch{};
  } else {
    return NoWatch{};
  }
}

// kRows rows of the weight times kX rows of x.
template <class Format, int kX, int kRows>
struct RowProduct {
  using Watch = decltype(watch_of<Format>());
  using Sum = typename Format::Sum;
  // Sums of a row side by side: a single chain of additions has their latency in every step.
  static constexpr int kSums = kRows * kX;
  static constexpr int kChains = kSums > 4 ? 1 : (kSums > 2 ? 2 : 4);

  const Format& format;
  const std::uint8_t* codes;  // rows row_bytes apart
  std::int64_t row_bytes;
  std::int64_t bytes;     // of a row
  const std::int32_t* x;  // rows kMaxChunk apart
  bool fetch;             // the next rows, in the order of memory: four streams are slower than one

  // sums += parts [kFirst, kLast) of the step
  template <int kFirst, int kLast, int kWays>
  [[gnu::always_inline]] void add_parts(std::int64_t step, const Ints (&parts)[Format::kParts],
                                        Sum (&sums)[kX][kWays]) const {
#pragma GCC unroll 4
    for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 8
      for (int part = kFirst; part < kLast; ++part) {
        Sum& sum = sums[m][part % kWays];
        sum = Format::multiply_add(
            sum, parts[part],
            load_ints(x + m * kMaxChunk + (step * Format::kParts + part) * kLanes));
      }
    }
  }

  [[gnu::always_inline]] void decode(int row, std::int64_t step, Watch& watch,
                                     Ints (&parts)[Format::kParts]) const {
    const std::uint8_t* at = codes + row * row_bytes + step * Format::kBytes;
    watch.see(at);
    format.decode(at, parts);
  }

  std::int64_t whole_steps() const { return bytes / Format::kBytes; }
  bool has_end() const { return bytes % Format::kBytes != 0; }

  // What is behind the whole steps. Not inlined, so that sums stay in registers where it is not
  // needed.
  [[gnu::noinline]] void decode_end(int row, Ints (&parts)[Format::kParts]) const {
    alignas(32) std::uint8_t buffer[Format::kBytes] = {};
    copy_end(row, buffer);
    format.decode(buffer, parts);
  }
  void copy_end(int row, std::uint8_t* buffer) const {
    const std::int64_t at = whole_steps() * Format::kBytes;
    std::memcpy(buffer, codes + row * row_bytes + at, static_cast<std::size_t>(bytes - at));
  }

  // sums += the step's parts
  template <int kWays>
  [[gnu::always_inline]] void add_step(std::int64_t step, Watch& watch,
                                       Sum (&sums)[kRows][kX][kWays]) const {
    fetch_ahead(step);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      Ints parts[Format::kParts];
      decode(row, step, watch, parts);
      add_parts<0, Format::kParts>(step, parts, sums[row]);
    }
  }

  template <int kWays>
  [[gnu::always_inline]] void add_end(Sum (&sums)[kRows][kX][kWays]) const {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      Ints parts[Format::kParts];
      decode_end(row, parts);
      add_parts<0, Format::kParts>(whole_steps(), parts, sums[row]);
    }
  }

  [[gnu::always_inline]] void fetch_ahead(std::int64_t step) const {
    if constexpr (kRows == 1) return;
    if (!fetch) return;
    constexpr std::int64_t kStepBytes = kRows * Format::kBytes;
    const auto* next = reinterpret_cast<const char*>(codes) + kRows * row_bytes + step * kStepBytes;
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kStepBytes; i += 64) _mm_prefetch(next + i, _MM_HINT_T0);
  }
};

// Rows with a code that is no number give none. `watch` has seen the whole steps of all rows.
template <class Format, int kX, int kRows>
void spoil_rows(const RowProduct<Format, kX, kRows>& product,
                const typename RowProduct<Format, kX, kRows>::Watch& watch,
                typename Format::Sum (*result)[kWeightRows]) {
  if constexpr (requires { watch.spoilt(); }) {
    if (!watch.spoilt() && !product.has_end()) [[likely]]
      return;
    for (int row = 0; row < kRows; ++row) {
      typename Format::Watch one;
      const std::uint8_t* codes = product.codes + row * product.row_bytes;
      for (std::int64_t step = 0; step < product.whole_steps() && watch.spoilt(); ++step) {
        one.see(codes + step * Format::kBytes);
      }
      alignas(32) std::uint8_t end[Format::kBytes] = {};
      product.copy_end(row, end);
      one.see(end);
      if (!one.spoilt()) continue;
      for (int m = 0; m < kX; ++m) {
        result[m][row] = broadcast(std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
}

template <class Format, int kChains>
[[gnu::always_inline]] inline typename Format::Sum sum_of_chains(
    const typename Format::Sum (&sums)[kChains]) {
  if constexpr (kChains == 1) return sums[0];
  if constexpr (kChains == 2) return sums[0] + sums[1];
  if constexpr (kChains == 4) return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// result[m][row], of kRows rows.
template <class Format, int kX, int kRows>
void multiply_plain(const RowProduct<Format, kX, kRows>& product,
                    typename Format::Sum (*result)[kWeightRows]) {
  constexpr int kChains = RowProduct<Format, kX, kRows>::kChains;
  typename Format::Sum sums[kRows][kX][kChains] = {};
  typename RowProduct<Format, kX, kRows>::Watch watch;
  const std::int64_t whole = product.whole_steps();
  for (std::int64_t step = 0; step < whole; ++step) product.add_step(step, watch, sums);
  if (product.has_end()) product.add_end(sums);
  for (int m = 0; m < kX; ++m) {
    for (int row = 0; row < kRows; ++row)
      result[m][row] = sum_of_chains<Format, kChains>(sums[row][m]);
  }
  spoil_rows(product, watch, result);
}

// The same with a scale for each `group_steps` steps. Scales lie `groups` apart from row to row.
template <class Format, int kX, int kRows>
void multiply_scaled(const RowProduct<Format, kX, kRows>& product, std::int64_t group_steps,
                     const float* scales, std::int64_t groups, Floats (*result)[kWeightRows]) {
  constexpr int kChains = RowProduct<Format, kX, kRows>::kChains;
  constexpr int kShort = kChains > 2 ? 2 : kChains;  // more would cost additions
  const std::int64_t whole = product.whole_steps();
  typename RowProduct<Format, kX, kRows>::Watch watch;
  Floats sums[kRows][kX] = {};
  const auto add_scaled = [&]<int kWays>(const Floats(&partial)[kRows][kX][kWays])
      __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      const Floats scale = broadcast(scales[row * groups]);
#pragma GCC unroll 4
      for (int m = 0; m < kX; ++m) {
        sums[row][m] =
            multiply_add(sum_of_chains<Format, kWays>(partial[row][m]), scale, sums[row][m]);
      }
    }
    ++scales;
  };
  std::int64_t step = 0;
  for (; step < whole && group_steps == 1; ++step) {
    Floats partial[kRows][kX][kShort] = {};
    product.add_step(step, watch, partial);
    add_scaled(partial);
  }
  while (whole - step >= group_steps) {
    Floats partial[kRows][kX][kChains] = {};
    for (const std::int64_t end = step + group_steps; step < end; ++step) {
      product.add_step(step, watch, partial);
    }
    add_scaled(partial);
  }
  if (step < whole || product.has_end()) {
    Floats partial[kRows][kX][kChains] = {};
    for (; step < whole; ++step) product.add_step(step, watch, partial);
    if (product.has_end()) product.add_end(partial);
    add_scaled(partial);
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) result[m][row] = sums[row][m];
  }
  spoil_rows(product, watch, result);
}

// The same with a scale for each half of a step.
template <class Format, int kX, int kRows>
void multiply_halves(const RowProduct<Format, kX, kRows>& product, const float* scales,
                     std::int64_t groups, Floats (*result)[kWeightRows]) {
  using Product = RowProduct<Format, kX, kRows>;
  constexpr int kHalf = Format::kParts / 2;
  typename Product::Watch watch;
  Floats sums[kRows][kX] = {};
  const auto add_half = [&]<int kFirst>(std::integral_constant<int, kFirst>, int row,
                                        std::int64_t step, const Ints(&parts)[Format::kParts])
      __attribute__((always_inline)) {
    const Floats scale = broadcast(scales[row * groups + 2 * step + kFirst / kHalf]);
    Floats partial[kX][Product::kChains] = {};
    product.template add_parts<kFirst, kFirst + kHalf>(step, parts, partial);
#pragma GCC unroll 4
    for (int m = 0; m < kX; ++m) {
      sums[row][m] =
          multiply_add(sum_of_chains<Format, Product::kChains>(partial[m]), scale, sums[row][m]);
    }
  };
  const std::int64_t whole = product.whole_steps();
  for (std::int64_t step = 0; step < whole; ++step) {
    product.fetch_ahead(step);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      Ints parts[Format::kParts];
      product.decode(row, step, watch, parts);
      add_half(std::integral_constant<int, 0>{}, row, step, parts);
      add_half(std::integral_constant<int, kHalf>{}, row, step, parts);
    }
  }
  for (int row = 0; row < kRows && groups % 2 != 0; ++row) {
    Ints parts[Format::kParts];
    product.decode_end(row, parts);
    add_half(std::integral_constant<int, 0>{}, row, whole, parts);
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) result[m][row] = sums[row][m];
  }
  spoil_rows(product, watch, result);
}

// Where a chunk's product goes and comes from: rows of the weight from n on, rows of x from m on,
// sums[m][at].
struct ChunkTask {
  Chunk chunk;
  std::int64_t n;
  std::int64_t at;
  std::int64_t m;
};

struct Weight {
  const std::uint8_t* codes;
  std::int64_t row_bytes;
};

// result[m][row]: kRows rows of the weight from `row` on.
template <class Format, int kX, int kRows>
void multiply_rows(const LinearJob& job, const Format& format, const Weight& weight,
                   std::int64_t row, std::int64_t groups, const ChunkTask& task,
                   const RowScratch& scratch, typename Format::Sum (*result)[kWeightRows]) {
  const std::int64_t columns = task.chunk.end - task.chunk.begin;
  const RowProduct<Format, kX, kRows> product{
      format,
      weight.codes + (task.n + row) * weight.row_bytes +
          task.chunk.begin * Format::kBytes / Format::kCodes,
      weight.row_bytes,
      ceil_div(columns * Format::kBytes, Format::kCodes),
      scratch.x[task.m],
      columns == job.k};
  if constexpr (!Format::kInteger) {
    const float* scales = scratch.scales + row * groups;
    if constexpr (Format::kHalves) {
      if (groups > 0 && job.group == kHalfGroup && job.group < job.k) {
        return multiply_halves(product, scales, groups, result);
      }
    }
    if (groups > 0) {
      const std::int64_t steps = ceil_div(smaller(job.group, columns), Format::kCodes);
      return multiply_scaled(product, steps, scales, groups, result);
    }
  }
  multiply_plain(product, result);
}

// sums[m][row] += zeros . x_sums, over the groups of one chunk
template <int kX>
void add_zeros(const float* zeros, std::int64_t groups, std::int64_t row, const RowScratch& scratch,
               Floats (*sums)[kWeightRows]) {
  for (std::int64_t i = 0; i < groups; i += kLanes) {
    const Lanes lanes = first_lanes(groups - i);
    const Floats values = load_floats(zeros + i, lanes);
    for (int m = 0; m < kX; ++m) {
      sums[m][row] = multiply_add(values, load_floats(scratch.x_sums[m] + i, lanes), sums[m][row]);
    }
  }
}

// Scales and zeros of a chunk's groups to the scratch; how many groups a row has there.
inline std::int64_t hold_groups(const LinearJob& job, const ChunkTask& task, std::int64_t rows,
                                RowScratch& scratch) {
  if (job.group_scales == nullptr) return 0;
  const std::int64_t group = task.chunk.begin / job.group;
  const std::int64_t groups = ceil_div(task.chunk.end, job.group) - group;
  job.group_scales(job.args, task.n, rows, group, groups, scratch.scales);
  if (job.x_group_scale != nullptr) {
    const float* x_scales = job.x_group_scale + task.m * ceil_div(job.k, job.group) + group;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t i = 0; i < groups; ++i) scratch.scales[row * groups + i] *= x_scales[i];
    }
  }
  if (job.group_zeros != nullptr) {
    job.group_zeros(job.args, task.n, rows, group, groups, scratch.zeros);
  }
  return groups;
}

// scratch.sums of four rows of the weight += one chunk's products. Sixteen registers hold the sums
// of four rows for one row of x, of two for more.
template <class Format, int kX>
void add_chunk(const LinearJob& job, const Format& format, const Weight& weight,
               const ChunkTask& task, RowScratch& scratch) {
  using Sum = typename Format::Sum;
  constexpr int kRows = kX == 1 ? 4 : 2;
  const std::int64_t count = smaller(kWeightRows, job.n - task.n);
  const std::int64_t groups = hold_groups(job, task, count, scratch);
  Sum sums[kX][kWeightRows] = {};
  const auto multiply = [&]<int kCount>(std::integral_constant<int, kCount>, std::int64_t row) {
    Sum result[kX][kWeightRows];
    multiply_rows<Format, kX, kCount>(job, format, weight, row, groups, task, scratch, result);
    for (int m = 0; m < kX; ++m) {
      for (int i = 0; i < kCount; ++i) sums[m][row + i] = result[m][i];
    }
  };
  std::int64_t row = 0;
  for (; row + kRows <= count; row += kRows) multiply(std::integral_constant<int, kRows>{}, row);
  for (; row < count; ++row) multiply(std::integral_constant<int, 1>{}, row);
  if constexpr (!Format::kInteger) {
    for (row = 0; row < count && job.group_zeros != nullptr; ++row) {
      add_zeros<kX>(scratch.zeros + row * groups, groups, row, scratch, sums);
    }
  }
  for (int m = 0; m < kX; ++m) {
    std::int32_t* to = scratch.sums[task.m + m] + task.at;
    if constexpr (Format::kInteger) {
      auto* four = reinterpret_cast<__m128i*>(to);
      _mm_store_si128(four, _mm_add_epi32(_mm_load_si128(four), sum_of_each(sums[m])));
    } else {
      auto* four = reinterpret_cast<float*>(to);
      __m128 products = sum_of_each(sums[m]);
      if constexpr (requires { Format::kPower; }) {
        products = _mm_mul_ps(products, _mm_set1_ps(scratch.factors[task.m + m]));
      }
      _mm_store_ps(four, _mm_add_ps(_mm_load_ps(four), products));
    }
  }
}

// All rows of x together over four rows of the weight; with scales of their own, one by one.
template <class Format>
void add_chunk_for_rows(const LinearJob& job, const Format& format, const Weight& weight,
                        ChunkTask task, RowScratch& scratch) {
  if (job.x_group_scale != nullptr) {
    for (task.m = 0; task.m < job.m; ++task.m) {
      add_chunk<Format, 1>(job, format, weight, task, scratch);
    }
    return;
  }
  switch (job.m) {
    case 1:
      return add_chunk<Format, 1>(job, format, weight, task, scratch);
    case 2:
      return add_chunk<Format, 2>(job, format, weight, task, scratch);
    case 3:
      return add_chunk<Format, 3>(job, format, weight, task, scratch);
    default:
      return add_chunk<Format, 4>(job, format, weight, task, scratch);
  }
}

// Columns that are held at once: all, or whole groups of them.
inline std::int64_t chunk_length(const LinearJob& job) {
  if (job.k <= kMaxChunk) return job.k;
  return job.group_scales == nullptr ? kMaxChunk : kMaxChunk / job.group * job.group;
}

// Whether multiply_few_rows takes the job.
template <class Format>
bool fits_few_rows(const LinearJob& job) {
  if (job.m == 0 || job.m > kMaxFewRows || job.k == 0) return false;
  if (job.group_scales == nullptr) return true;
  if (job.group >= job.k && job.k <= kMaxChunk) return true;
  if (job.group == kHalfGroup) return Format::kHalves;
  return job.group <= kMaxChunk && job.group % Format::kCodes == 0;
}

template <class Format>
void multiply_few_rows(const LinearJob& job, const Format& format, const void* codes) {
  const Weight weight{static_cast<const std::uint8_t*>(codes),
                      ceil_div(job.k * Format::kBytes, Format::kCodes)};
  const std::int64_t chunk = chunk_length(job);
  constexpr std::int64_t kWorthAThread = 1 << 16;  // bytes of the weight: some 3 us
  const std::int64_t grain = ceil_div(kWorthAThread, weight.row_bytes * kWeightRows);
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    RowScratch scratch;
    if (chunk >= job.k) prepare_x<Format>(job, {0, job.k}, scratch);
    const std::int64_t last = smaller(end * kWeightRows, job.n);
    for (std::int64_t n = begin * kWeightRows; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      std::memset(scratch.sums, 0, sizeof(scratch.sums));
      for (std::int64_t k = 0; k < job.k; k += chunk) {
        const Chunk part{k, smaller(k + chunk, job.k)};
        if (chunk < job.k) prepare_x<Format>(job, part, scratch);
        for (std::int64_t at = 0; at < count; at += kWeightRows) {
          add_chunk_for_rows(job, format, weight, {part, n + at, at, 0}, scratch);
        }
      }
      for (std::int64_t m = 0; m < job.m; ++m) {
        finish_row<Format::kInteger>(job, m, n, count, scratch.sums[m]);
      }
    }
  };
  parallel_for(job.parallel, ceil_div(job.n, kWeightRows), grain, body);
}

}  // namespace
}  // namespace lowp::kernels
