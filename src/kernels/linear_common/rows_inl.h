// Products with few rows of x, as in decoding: bound by reading the weight. Codes become elements
// in registers; x waits in L1 in the order that the codes come out. Internal linkage: each AVX-512
// level that includes this has its own copy.
//
// A Format has
//   kCodes, kBytes     along K in one step of the loop
//   kParts             vectors that one step decodes to
//   kInterleave        n > 1: part i holds the elements i, i + n, i + 2 n, ...; n is kParts.
//                      1: the parts follow each other
//   kElementsPerStep   of x: 1 (fp32) or 2 (bf16)
//   decode(codes, bytes, parts)   bytes <= kBytes; codes beyond are taken as 0
//   multiply_add(sum, part, x)
#pragma once

#include <immintrin.h>

#include <utility>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/linear_common/few_rows.h"
#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_common/job.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kMaxFewRows = 4;    // rows of x
constexpr std::int64_t kWeightRows = 4;    // rows of the weight whose scales and sums go together
constexpr std::int64_t kRowBlock = 64;     // rows of the weight that share one part of x
constexpr std::int64_t kMaxChunk = 16384;  // columns of x held at once
constexpr std::int64_t kMaxGroups = kMaxChunk / 16 + kLanes;  // of a chunk, and one vector more

// About 310 KiB of stack a thread, of which one row of x uses a quarter.
struct RowScratch {
  alignas(64) std::int32_t x[kMaxFewRows][kMaxChunk];
  alignas(64) float x_sums[kMaxFewRows][kMaxGroups];
  alignas(64) float scales[kWeightRows * kMaxGroups];  // (4, groups of the chunk)
  alignas(64) float zeros[kWeightRows * kMaxGroups];
  alignas(64) float sums[kMaxFewRows][kRowBlock];
};

// Columns [begin, end) of x and of the weight.
struct Chunk {
  std::int64_t begin;
  std::int64_t end;
};

// The even and the odd elements of two vectors.
template <int kElementsPerStep>
struct EvenOdd {
  __m512i even;  // places in the two vectors
  __m512i odd;

  EvenOdd() {
    if constexpr (kElementsPerStep == 2) {
      alignas(64) std::int16_t places[32];
      for (int i = 0; i < 32; ++i) places[i] = static_cast<std::int16_t>(2 * i);
      even = _mm512_load_si512(places);
      odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
    } else {
      alignas(64) std::int32_t places[16];
      for (int i = 0; i < 16; ++i) places[i] = 2 * i;
      even = _mm512_load_si512(places);
      odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    }
  }

  static __m512i take(__m512i places, __m512i first, __m512i second) {
    if constexpr (kElementsPerStep == 2) return _mm512_permutex2var_epi16(first, places, second);
    return _mm512_permutex2var_epi32(first, places, second);
  }

  void split(__m512i& first, __m512i& second) const {
    const __m512i evens = take(even, first, second);
    second = take(odd, first, second);
    first = evens;
  }
};

// In place, a step at a time: elements in the order that decoded parts have them.
template <class Format>
void order_x(std::int32_t* x, std::int64_t steps) {
  if constexpr (Format::kInterleave > 1) {
    static_assert(Format::kParts == Format::kInterleave);
    static_assert(Format::kInterleave == 2 || Format::kInterleave == 4);
    const EvenOdd<Format::kElementsPerStep> places;
    for (std::int64_t step = 0; step < steps; ++step, x += Format::kParts * kLanes) {
      __m512i v[Format::kParts];
      for (int i = 0; i < Format::kParts; ++i) v[i] = _mm512_load_si512(x + i * kLanes);
      places.split(v[0], v[1]);
      if constexpr (Format::kParts == 4) {
        places.split(v[2], v[3]);
        std::swap(v[1], v[2]);     // evens of both halves, odds of both
        places.split(v[0], v[1]);  // 0 4 8 ..., 2 6 10 ...
        places.split(v[2], v[3]);  // 1 5 9 ..., 3 7 11 ...
        std::swap(v[1], v[2]);
      }
      for (int i = 0; i < Format::kParts; ++i) _mm512_store_si512(x + i * kLanes, v[i]);
    }
  }
}

// Sum of the elements of each group.
template <class Format>
void sum_groups(const LinearJob& job, Chunk chunk, const std::int32_t* x, float* sums) {
  std::int64_t i = 0;
  for (std::int64_t begin = chunk.begin; begin < chunk.end; begin += job.group, ++i) {
    const std::int64_t first = (begin - chunk.begin) / Format::kElementsPerStep;
    const std::int64_t count = smaller(job.group, chunk.end - begin) / Format::kElementsPerStep;
    __m512 sum = _mm512_setzero_ps();
    for (std::int64_t at = 0; at < count; at += kLanes) {
      const __m512i steps = _mm512_maskz_loadu_epi32(first_lanes(count - at), x + first + at);
      sum = Format::add_elements(sum, steps);
    }
    sums[i] = _mm512_reduce_add_ps(sum);
  }
}

template <class Format>
void prepare_x(const LinearJob& job, Chunk chunk, RowScratch& scratch) {
  const std::int64_t steps = ceil_div(chunk.end - chunk.begin, Format::kCodes);
  constexpr std::int64_t kDwords = Format::kCodes / Format::kElementsPerStep;  // of x, in a step
  for (std::int64_t m = 0; m < job.m; ++m) {
    std::int32_t* x = scratch.x[m];
    // The last step may reach over the decoded vectors.
    for (std::int64_t i = 0; i < kDwords; i += kLanes) {
      _mm512_store_si512(x + (steps - 1) * kDwords + i, _mm512_setzero_si512());
    }
    job.decode_x(job.args, m, chunk.begin, chunk.end, x);
    if (job.group_zeros != nullptr) sum_groups<Format>(job, chunk, x, scratch.x_sums[m]);
    order_x<Format>(x, steps);
  }
}

// Lane i of the result: the whole of vector i.
inline __m128 sum_of_each(const __m512* v) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512 abcd = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// What is fetched while four rows are multiplied: the bytes of the next four, in the order of
// memory. Four rows side by side are four streams; a core follows them at 9 GB/s, one at 25 (Zen 4,
// where 24 misses of L1 are under way at most, and it is the prefetcher of L2 that runs ahead).
enum class Fetch : std::uint8_t { kNothing, kToL1, kToL2 };

// kRows rows of the weight times kX rows of x.
template <class Format, int kX, int kRows>
struct RowProduct {
  // Sums of a row side by side: with one row, a single chain of additions is slower than memory.
  static constexpr int kChains = kRows == 1 ? 2 : 1;

  const Format& format;
  const std::uint8_t* codes;  // rows row_bytes apart
  std::int64_t row_bytes;
  const std::int32_t* x;  // rows kMaxChunk apart
  Fetch fetch = Fetch::kNothing;

  // sums += the step's parts
  [[gnu::always_inline]] void add_step(std::int64_t step, std::int64_t bytes,
                                       __m512 (&sums)[kRows][kX][kChains]) const {
    fetch_ahead(step);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      __m512i parts[Format::kParts];
      format.decode(codes + row * row_bytes + step * Format::kBytes, bytes, parts);
#pragma GCC unroll 4
      for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 4
        for (int part = 0; part < Format::kParts; ++part) {
          __m512& sum = sums[row][m][part % kChains];
          sum = Format::multiply_add(sum, parts[part], x_part(m, step, part));
        }
      }
    }
  }

  // sums += the step's product * scale
  [[gnu::always_inline]] void add_scaled_step(std::int64_t step, std::int64_t bytes,
                                              const __m512 (&scale)[kRows],
                                              __m512 (&sums)[kRows][kX]) const {
    fetch_ahead(step);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      __m512i parts[Format::kParts];
      format.decode(codes + row * row_bytes + step * Format::kBytes, bytes, parts);
#pragma GCC unroll 4
      for (int m = 0; m < kX; ++m) {
        __m512 product = _mm512_setzero_ps();
#pragma GCC unroll 4
        for (int part = 0; part < Format::kParts; ++part) {
          product = Format::multiply_add(product, parts[part], x_part(m, step, part));
        }
        sums[row][m] = _mm512_fmadd_ps(product, scale[row], sums[row][m]);
      }
    }
  }

  [[gnu::always_inline]] void fetch_ahead(std::int64_t step) const {
    if constexpr (kRows == 1) return;
    constexpr std::int64_t kStepBytes = kRows * Format::kBytes;
    const auto* next = reinterpret_cast<const char*>(codes) + kRows * row_bytes + step * kStepBytes;
    if (fetch == Fetch::kToL1) {
#pragma GCC unroll 8
      for (std::int64_t i = 0; i < kStepBytes; i += 64) _mm_prefetch(next + i, _MM_HINT_T0);
    } else if (fetch == Fetch::kToL2) {
#pragma GCC unroll 8
      for (std::int64_t i = 0; i < kStepBytes; i += 64) _mm_prefetch(next + i, _MM_HINT_T1);
    }
  }

  __m512i x_part(int m, std::int64_t step, int part) const {
    return _mm512_load_si512(x + m * kMaxChunk + (step * Format::kParts + part) * kLanes);
  }
};

// Where the scales of a step's lanes lie: lane l has codes l * kCodes / 16 and on.
struct ScaleWalk {
  __m512i lanes;               // of a vector loaded at the step's first scale
  std::int64_t steps_a_scale;  // 1 where a step has one scale or more
  std::int64_t scales_a_move;

  ScaleWalk(std::int64_t codes, std::int64_t group)
      : steps_a_scale(group > codes ? group / codes : 1),
        scales_a_move(group < codes ? codes / group : 1) {
    alignas(64) std::int32_t index[kLanes];
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      index[lane] = static_cast<std::int32_t>(lane * codes / kLanes / group);
    }
    lanes = _mm512_load_si512(index);
  }

  // The lanes whose scale is one of the first `count`.
  __mmask16 lanes_below(std::int64_t count) const {
    return _mm512_cmplt_epi32_mask(lanes, _mm512_set1_epi32(static_cast<int>(count)));
  }
};

// sums[m][row], of kRows rows.
template <class Format, int kX, int kRows>
void multiply_plain(const RowProduct<Format, kX, kRows>& product, std::int64_t bytes,
                    __m512 (*result)[kWeightRows]) {
  constexpr int kChains = RowProduct<Format, kX, kRows>::kChains;
  __m512 sums[kRows][kX][kChains] = {};
  const std::int64_t whole = bytes / Format::kBytes;
  for (std::int64_t step = 0; step < whole; ++step) product.add_step(step, Format::kBytes, sums);
  const std::int64_t left = bytes - whole * Format::kBytes;
  if (left > 0) product.add_step(whole, left, sums);
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      result[m][row] = sums[row][m][0];
      if constexpr (kChains == 2) {
        result[m][row] = _mm512_add_ps(sums[row][m][0], sums[row][m][1]);
      }
    }
  }
}

// The same with scales, which lie `groups` apart from row to row.
template <class Format, int kX, int kRows>
void multiply_scaled(const RowProduct<Format, kX, kRows>& product, std::int64_t bytes,
                     const ScaleWalk& walk, const float* scales, std::int64_t groups,
                     __m512 (*result)[kWeightRows]) {
  __m512 sums[kRows][kX] = {};
  __m512 scale[kRows] = {};
  const auto next_scales = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      scale[row] = _mm512_permutexvar_ps(walk.lanes, _mm512_loadu_ps(scales + row * groups));
    }
    scales += walk.scales_a_move;
  };
  const std::int64_t whole = bytes / Format::kBytes;
  std::int64_t step = 0;
  for (; step < whole && walk.steps_a_scale == 1; ++step) {
    next_scales();
    product.add_scaled_step(step, Format::kBytes, scale, sums);
  }
  while (step < whole) {
    next_scales();
    const std::int64_t end = smaller(step + walk.steps_a_scale, whole);
    for (; step < end; ++step) product.add_scaled_step(step, Format::kBytes, scale, sums);
  }
  const std::int64_t left = bytes - whole * Format::kBytes;
  if (left > 0) {
    if (whole % walk.steps_a_scale == 0) {
      // Behind the last scale lies anything, and 0 times NaN is NaN.
      const std::int64_t used = whole / walk.steps_a_scale * walk.scales_a_move;
      const __mmask16 exist = walk.lanes_below(groups - used);
      next_scales();
#pragma GCC unroll 4
      for (int row = 0; row < kRows; ++row) scale[row] = _mm512_maskz_mov_ps(exist, scale[row]);
    }
    product.add_scaled_step(whole, left, scale, sums);
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) result[m][row] = sums[row][m];
  }
}

// sums[m][row] += zeros . x_sums, over the groups of one chunk
template <int kX>
void add_zeros(const float* zeros, std::int64_t groups, std::int64_t row, const RowScratch& scratch,
               __m512 (*sums)[kWeightRows]) {
  for (std::int64_t i = 0; i < groups; i += kLanes) {
    const __mmask16 mask = first_lanes(groups - i);
    const __m512 values = _mm512_maskz_loadu_ps(mask, zeros + i);
    for (int m = 0; m < kX; ++m) {
      const __m512 x_sums = _mm512_maskz_loadu_ps(mask, scratch.x_sums[m] + i);
      sums[m][row] = _mm512_fmadd_ps(values, x_sums, sums[m][row]);
    }
  }
}

// Where a chunk's product goes and comes from: rows of the weight from n on, rows of x from m on,
// sums[m][at].
struct ChunkTask {
  Chunk chunk;
  std::int64_t n;
  std::int64_t at;
  std::int64_t m;
};

// Numbers of groups of x, each times those of four rows of the weight.
inline void multiply_x_scales(const LinearJob& job, const ChunkTask& task, std::int64_t rows,
                              std::int64_t group, std::int64_t groups, float* scales) {
  const float* x_scales = job.x_group_scale + task.m * ceil_div(job.k, job.group) + group;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < groups; i += kLanes) {
      const __mmask16 mask = first_lanes(groups - i);
      float* to = scales + row * groups + i;
      _mm512_mask_storeu_ps(to, mask,
                            _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, to),
                                          _mm512_maskz_loadu_ps(mask, x_scales + i)));
    }
  }
}

// sums[m][row]: kRows rows of the weight from `row` on.
template <class Format, int kX, int kRows>
void multiply_rows(const Format& format, const std::uint8_t* weight, std::int64_t row_bytes,
                   std::int64_t bytes, std::int64_t row, std::int64_t groups, const ChunkTask& task,
                   const ScaleWalk& walk, const RowScratch& scratch, Fetch fetch,
                   __m512 (*sums)[kWeightRows]) {
  const RowProduct<Format, kX, kRows> product{
      format,
      weight + (task.n + row) * row_bytes + task.chunk.begin * Format::kBytes / Format::kCodes,
      row_bytes, scratch.x[task.m], fetch};
  __m512 result[kX][kWeightRows];
  if (groups == 0) {
    multiply_plain(product, bytes, result);
  } else {
    multiply_scaled(product, bytes, walk, scratch.scales + row * groups, groups, result);
  }
  for (int m = 0; m < kX; ++m) {
    for (int i = 0; i < kRows; ++i) sums[m][row + i] = result[m][i];
  }
}

// How four rows go. Codes that must be decoded go side by side, so that x is read once for four
// rows and the start of a row costs little; elements that are multiplied as they are, row after
// row, unless x leaves L1 too little room.
struct Plan {
  bool side_by_side;
  Fetch fetch;
};

template <class Format, int kX>
Plan plan_rows(std::int64_t columns, std::int64_t bytes, bool whole_rows) {
  constexpr bool kDecodes = Format::kBytes < Format::kParts * 64;
  constexpr std::int64_t kMuchOfL1 = 12 << 10;
  constexpr std::int64_t kFitsL1 = 8 << 10;  // beside x
  if (kDecodes && whole_rows) {
    return {true, kWeightRows * bytes <= kFitsL1 ? Fetch::kToL1 : Fetch::kToL2};
  }
  return {columns * 4 / Format::kElementsPerStep * kX > kMuchOfL1, Fetch::kNothing};
}

// scratch.sums of four rows of the weight += one chunk's products.
template <class Format, int kX>
void add_chunk(const LinearJob& job, const Format& format, const std::uint8_t* weight,
               std::int64_t row_bytes, const ChunkTask& task, const ScaleWalk& walk,
               RowScratch& scratch) {
  const std::int64_t columns = task.chunk.end - task.chunk.begin;
  const std::int64_t bytes = ceil_div(columns * Format::kBytes, Format::kCodes);
  const std::int64_t count = smaller(kWeightRows, job.n - task.n);
  std::int64_t groups = 0;
  if (job.group_scales != nullptr) {
    const std::int64_t group = task.chunk.begin / job.group;
    groups = ceil_div(task.chunk.end, job.group) - group;
    job.group_scales(job.args, task.n, count, group, groups, scratch.scales);
    if (job.x_group_scale != nullptr) {
      multiply_x_scales(job, task, count, group, groups, scratch.scales);
    }
    if (job.group_zeros != nullptr) {
      job.group_zeros(job.args, task.n, count, group, groups, scratch.zeros);
    }
  }
  __m512 sums[kX][kWeightRows] = {};
  std::int64_t row = 0;
  const Plan plan = plan_rows<Format, kX>(columns, bytes, columns == job.k);
  if (count == kWeightRows && plan.side_by_side) {
    multiply_rows<Format, kX, kWeightRows>(format, weight, row_bytes, bytes, 0, groups, task, walk,
                                           scratch, plan.fetch, sums);
    row = count;
  }
  for (; row < count; ++row) {
    multiply_rows<Format, kX, 1>(format, weight, row_bytes, bytes, row, groups, task, walk, scratch,
                                 Fetch::kNothing, sums);
  }
  if (job.group_zeros != nullptr) {
    for (row = 0; row < count; ++row) {
      add_zeros<kX>(scratch.zeros + row * groups, groups, row, scratch, sums);
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
    float* to = scratch.sums[task.m + m] + task.at;
    _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), sum_of_each(sums[m])));
  }
}

// All rows of x together over four rows of the weight; with scales of their own, one by one.
template <class Format>
void add_chunk_for_rows(const LinearJob& job, const Format& format, const std::uint8_t* weight,
                        std::int64_t row_bytes, ChunkTask task, const ScaleWalk& walk,
                        RowScratch& scratch) {
  const auto add = [&](auto run) { run(job, format, weight, row_bytes, task, walk, scratch); };
  if (job.x_group_scale != nullptr) {
    for (task.m = 0; task.m < job.m; ++task.m) add(add_chunk<Format, 1>);
    return;
  }
  switch (job.m) {
    case 1:
      return add(add_chunk<Format, 1>);
    case 2:
      return add(add_chunk<Format, 2>);
    case 3:
      return add(add_chunk<Format, 3>);
    default:
      return add(add_chunk<Format, 4>);
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
  if (job.group < 16 || job.group > kMaxChunk) return false;
  if (job.group >= job.k && job.k <= kMaxChunk) return true;
  return job.group % Format::kCodes == 0 ||
         (Format::kInterleave > 1 && Format::kCodes % job.group == 0);
}

template <class Format>
void multiply_few_rows(const LinearJob& job, const Format& format, const std::uint8_t* weight) {
  const std::int64_t row_bytes = ceil_div(job.k * Format::kBytes, Format::kCodes);
  const std::int64_t chunk = chunk_length(job);
  const ScaleWalk walk(Format::kCodes, job.group_scales == nullptr || job.group >= job.k
                                           ? ceil_div(job.k + 1, Format::kCodes) * Format::kCodes
                                           : job.group);
  const std::int64_t grain = ceil_div(kFewRowsGrain, job.k * kLanes);
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    RowScratch scratch;
    if (chunk >= job.k) prepare_x<Format>(job, {0, job.k}, scratch);
    const std::int64_t last = smaller(end * kLanes, job.n);
    for (std::int64_t n = begin * kLanes; n < last; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, last - n);
      for (std::int64_t m = 0; m < job.m; ++m) {
        for (std::int64_t i = 0; i < kRowBlock; i += kLanes) {
          _mm512_store_ps(scratch.sums[m] + i, _mm512_setzero_ps());
        }
      }
      for (std::int64_t k = 0; k < job.k; k += chunk) {
        const Chunk part{k, smaller(k + chunk, job.k)};
        if (chunk < job.k) prepare_x<Format>(job, part, scratch);
        for (std::int64_t at = 0; at < count; at += kWeightRows) {
          add_chunk_for_rows(job, format, weight, row_bytes, {part, n + at, at, 0}, walk, scratch);
        }
      }
      for (std::int64_t m = 0; m < job.m; ++m) {
        finish_row<false>(job, m, n, count, reinterpret_cast<const std::int32_t*>(scratch.sums[m]));
      }
    }
  };
  parallel_for(job.parallel, ceil_div(job.n, kLanes), grain, body);
}

}  // namespace
}  // namespace lowp::kernels
