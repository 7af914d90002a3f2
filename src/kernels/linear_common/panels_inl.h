// The engine behind panels.h, a template on the multiplier. Internal linkage: each AVX-512 level
// that includes it has its own copy.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_common/vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kTileRows = 8;     // rows of x in registers
constexpr std::int64_t kTileVectors = 3;  // vectors of columns in registers: 24 accumulators
constexpr std::int64_t kPanelColumns = kTileVectors * kLanes;
constexpr std::int64_t kPanelSteps = 128;  // 24 KiB of decoded weight: stays in L1
constexpr std::int64_t kBlockPanels = 4;   // panels that share one decoded block of x
constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kBlockColumns = kBlockPanels * kPanelColumns;
constexpr std::int64_t kMaxSegments = 16;  // pieces of a panel with one scale each
// Smallest group that fits: 128 steps of one fp32 in 16 pieces, of two bf16 in groups of 16.
static_assert(kPanelSteps / kMaxSegments == 8);

// About 370 KiB of stack a thread; L2 holds it.
struct PanelScratch {
  alignas(64) std::int32_t panel[kPanelSteps][kPanelColumns];
  alignas(64) std::int32_t decoded[kLanes][kPanelSteps];
  alignas(64) std::int32_t x[kBlockRows][kPanelSteps];
  alignas(64) std::int32_t sums[kBlockRows][kBlockColumns];  // fp32, or int32
  alignas(64) float scales[kMaxSegments][kPanelColumns];
  alignas(64) float zeros[kMaxSegments][kPanelColumns];
  float x_sums[kMaxSegments][kBlockRows];
};

// Rows are dwords: transposed[j] holds dword j of each row.
inline void transpose_16x16(const std::int32_t (*rows)[kPanelSteps], std::int64_t at,
                            std::int32_t (*transposed)[kPanelColumns], std::int64_t column) {
  __m512i a[16];
  __m512i b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_load_si512(rows[i] + at);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
    a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
  }
  // a[4 * i + j]: rows 4i to 4i + 3, dwords j, 4 + j, 8 + j, 12 + j in the four 128-bit parts.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i even_low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    const __m512i odd_low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xDD);
    const __m512i even_high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xDD);
    _mm512_store_si512(transposed[j] + column, _mm512_shuffle_i32x4(even_low, even_high, 0x88));
    _mm512_store_si512(transposed[4 + j] + column, _mm512_shuffle_i32x4(odd_low, odd_high, 0x88));
    _mm512_store_si512(transposed[8 + j] + column, _mm512_shuffle_i32x4(even_low, even_high, 0xDD));
    _mm512_store_si512(transposed[12 + j] + column, _mm512_shuffle_i32x4(odd_low, odd_high, 0xDD));
  }
}

// Decodes columns [n, n + 48) of the product, that is rows of the weight, for K [k_begin, k_end).
inline void fill_panel(const LinearJob& job, std::int64_t n, std::int64_t k_begin,
                       std::int64_t k_end, std::int64_t steps, PanelScratch& scratch) {
  for (std::int64_t first = 0; first < kPanelColumns && n + first < job.n; first += kLanes) {
    const std::int64_t rows = smaller(kLanes, job.n - n - first);
    for (std::int64_t row = 0; row < rows; ++row) {
      job.decode_weight(job.args, n + first + row, k_begin, k_end, scratch.decoded[row]);
    }
    for (std::int64_t row = rows; row < kLanes; ++row) {
      std::memset(scratch.decoded[row], 0, sizeof(scratch.decoded[row]));
    }
    for (std::int64_t step = 0; step < steps; step += 16) {
      transpose_16x16(scratch.decoded, step, scratch.panel + step, first);
    }
  }
}

// One piece of a panel times kRows rows of x: what is added to the sums.
struct Segment {
  const char* x;  // first row's steps
  std::int64_t x_stride;
  const std::int32_t (*panel)[kPanelColumns];
  std::int64_t steps;
  std::int32_t (*sums)[kBlockColumns];
  const float* scales;         // (48), or nullptr
  const float* zeros;          // (48), or nullptr
  const float* x_sums;         // (kRows), with zeros
  const float* x_group_scale;  // rows x_groups apart, or nullptr
  std::int64_t x_groups;
};

// sums += partial * scale (+ zero * x_sum)
template <class Multiplier, int kVectors>
inline void add_row(const Segment& segment, int row, const typename Multiplier::Sum* partial) {
  std::int32_t* sums = segment.sums[row];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (Multiplier::kInteger) {
      const __m512i sum = _mm512_load_si512(sums + v * kLanes);
      _mm512_store_si512(sums + v * kLanes,
                         _mm512_add_epi32(sum, reinterpret_cast<__m512i>(partial[v])));
    } else {
      __m512 sum = _mm512_load_ps(sums + v * kLanes);
      if (segment.scales == nullptr) {
        sum = _mm512_add_ps(sum, partial[v]);
      } else {
        __m512 scale = _mm512_load_ps(segment.scales + v * kLanes);
        if (segment.x_group_scale != nullptr) {
          scale =
              _mm512_mul_ps(scale, _mm512_set1_ps(segment.x_group_scale[row * segment.x_groups]));
        }
        sum = _mm512_fmadd_ps(partial[v], scale, sum);
        if (segment.zeros != nullptr) {
          sum = _mm512_fmadd_ps(_mm512_load_ps(segment.zeros + v * kLanes),
                                _mm512_set1_ps(segment.x_sums[row]), sum);
        }
      }
      _mm512_store_ps(sums + v * kLanes, sum);
    }
  }
}

template <class Multiplier, int kRows, int kVectors>
void multiply_tile(const Segment& segment) {
  typename Multiplier::Sum sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) sum[row][v] = typename Multiplier::Sum{};
  }
  const char* x = segment.x;
  const std::int64_t stride = segment.x_stride;
  const std::int32_t* panel = segment.panel[0];
  for (std::int64_t step = 0; step < segment.steps; ++step) {
    __m512i weight[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) weight[v] = _mm512_load_si512(panel + v * kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      std::int32_t dword;
      std::memcpy(&dword, x + row * stride, sizeof(dword));
      const __m512i broadcast = _mm512_set1_epi32(dword);
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) {
        sum[row][v] = Multiplier::multiply_add(sum[row][v], broadcast, weight[v]);
      }
    }
    x += sizeof(std::int32_t);
    panel += kPanelColumns;
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) add_row<Multiplier, kVectors>(segment, row, sum[row]);
}

template <class Multiplier>
using MultiplyTile = void (*)(const Segment&);

template <class Multiplier, int kVectors>
constexpr MultiplyTile<Multiplier> kMultiplyTile[kTileRows] = {
    multiply_tile<Multiplier, 1, kVectors>, multiply_tile<Multiplier, 2, kVectors>,
    multiply_tile<Multiplier, 3, kVectors>, multiply_tile<Multiplier, 4, kVectors>,
    multiply_tile<Multiplier, 5, kVectors>, multiply_tile<Multiplier, 6, kVectors>,
    multiply_tile<Multiplier, 7, kVectors>, multiply_tile<Multiplier, 8, kVectors>};

template <class Multiplier>
MultiplyTile<Multiplier> choose_tile(std::int64_t rows, std::int64_t columns) {
  if (columns > 2 * kLanes) return kMultiplyTile<Multiplier, 3>[rows - 1];
  if (columns > kLanes) return kMultiplyTile<Multiplier, 2>[rows - 1];
  return kMultiplyTile<Multiplier, 1>[rows - 1];
}

// A block of the product: rows [m, m + rows) and columns [n, n + columns), and one range of K.
struct PanelBlock {
  std::int64_t m;
  std::int64_t rows;
  std::int64_t n;
  std::int64_t columns;
};

struct KRange {
  std::int64_t begin;
  std::int64_t end;
};

// The pieces of `range` that lie in one group each.
template <class Multiplier>
std::int64_t split(const LinearJob& job, KRange range, KRange* pieces) {
  if (job.group_scales == nullptr) {
    pieces[0] = range;
    return 1;
  }
  std::int64_t count = 0;
  for (std::int64_t begin = range.begin; begin < range.end; ++count) {
    const std::int64_t end = smaller((begin / job.group + 1) * job.group, range.end);
    pieces[count] = {begin, end};
    begin = end;
  }
  return count;
}

inline float sum_of_steps(const std::int32_t* steps, std::int64_t count,
                          __m512 (*add)(__m512, __m512i)) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t step = 0; step < count; step += kLanes) {
    const __mmask16 mask = first_lanes(count - step);
    sum = add(sum, _mm512_maskz_loadu_epi32(mask, steps + step));
  }
  return _mm512_reduce_add_ps(sum);
}

// values[i][column]: of group `group` + i and row n + column of the weight.
inline void fill_group_values(const LinearJob& job, LinearJob::GroupValues get, std::int64_t n,
                              std::int64_t columns, std::int64_t group, std::int64_t count,
                              float (*values)[kPanelColumns]) {
  alignas(64) float rows[kPanelColumns * kMaxSegments + kLanes];
  get(job.args, n, columns, group, count, rows);
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t i = 0; i < count; ++i) values[i][column] = rows[column * count + i];
  }
}

template <class Multiplier>
void multiply_panel(const LinearJob& job, const PanelBlock& block, std::int64_t panel_n,
                    const char* x, std::int64_t x_stride, KRange range, const KRange* pieces,
                    std::int64_t count, PanelScratch& scratch) {
  const std::int64_t columns = smaller(kPanelColumns, job.n - panel_n);
  const std::int64_t x_groups = job.x_group_scale == nullptr ? 0 : ceil_div(job.k, job.group);
  if (job.group_scales != nullptr) {
    const std::int64_t group = range.begin / job.group;
    fill_group_values(job, job.group_scales, panel_n, columns, group, count, scratch.scales);
    if (job.group_zeros != nullptr) {
      fill_group_values(job, job.group_zeros, panel_n, columns, group, count, scratch.zeros);
    }
  }
  for (std::int64_t row = 0; row < block.rows; row += kTileRows) {
    const std::int64_t rows = smaller(kTileRows, block.rows - row);
    const auto tile = choose_tile<Multiplier>(rows, columns);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t step = (pieces[i].begin - range.begin) / Multiplier::kPerStep;
      Segment segment{};
      segment.x = x + row * x_stride + step * 4;
      segment.x_stride = x_stride;
      segment.panel = scratch.panel + step;
      segment.steps = ceil_div(pieces[i].end - pieces[i].begin, Multiplier::kPerStep);
      segment.sums =
          reinterpret_cast<std::int32_t(*)[kBlockColumns]>(scratch.sums[row] + (panel_n - block.n));
      if (job.group_scales != nullptr) segment.scales = scratch.scales[i];
      if (job.group_zeros != nullptr) {
        segment.zeros = scratch.zeros[i];
        segment.x_sums = scratch.x_sums[i] + row;
      }
      if (job.x_group_scale != nullptr) {
        segment.x_group_scale =
            job.x_group_scale + (block.m + row) * x_groups + pieces[i].begin / job.group;
        segment.x_groups = x_groups;
      }
      tile(segment);
    }
  }
}

template <class Multiplier>
void multiply_block(const LinearJob& job, const PanelBlock& block, PanelScratch& scratch) {
  for (std::int64_t row = 0; row < block.rows; ++row) {
    std::memset(scratch.sums[row], 0, sizeof(scratch.sums[row]));
  }
  constexpr std::int64_t kPanelK = kPanelSteps * Multiplier::kPerStep;
  for (std::int64_t begin = 0; begin < job.k; begin += kPanelK) {
    const KRange range{begin, smaller(begin + kPanelK, job.k)};
    const std::int64_t steps = ceil_div(range.end - range.begin, Multiplier::kPerStep);
    KRange pieces[kMaxSegments];
    const std::int64_t count = split<Multiplier>(job, range, pieces);

    // x as it is, unless a step would reach over the end of a row or sums of x are needed.
    const bool whole = (range.end - range.begin) % Multiplier::kPerStep == 0;
    const bool direct = job.x != nullptr && whole && job.group_zeros == nullptr;
    const char* x = reinterpret_cast<const char*>(scratch.x);
    std::int64_t x_stride = sizeof(scratch.x[0]);
    if (direct) {
      x_stride = job.x_stride;
      x = static_cast<const char*>(job.x) + block.m * x_stride + begin * 4 / Multiplier::kPerStep;
    } else {
      for (std::int64_t row = 0; row < block.rows; ++row) {
        job.decode_x(job.args, block.m + row, range.begin, range.end, scratch.x[row]);
      }
    }
    if constexpr (!Multiplier::kInteger) {
      for (std::int64_t i = 0; i < count && job.group_zeros != nullptr; ++i) {
        const std::int64_t first = (pieces[i].begin - range.begin) / Multiplier::kPerStep;
        const std::int64_t length = ceil_div(pieces[i].end - pieces[i].begin, Multiplier::kPerStep);
        for (std::int64_t row = 0; row < block.rows; ++row) {
          scratch.x_sums[i][row] =
              sum_of_steps(scratch.x[row] + first, length, Multiplier::add_elements);
        }
      }
    }
    for (std::int64_t n = block.n; n < block.n + block.columns; n += kPanelColumns) {
      fill_panel(job, n, range.begin, range.end, steps, scratch);
      multiply_panel<Multiplier>(job, block, n, x, x_stride, range, pieces, count, scratch);
    }
  }
  for (std::int64_t row = 0; row < block.rows; ++row) {
    finish_row<Multiplier::kInteger>(job, block.m + row, block.n, block.columns, scratch.sums[row]);
  }
}

// Panels of one block of rows follow each other, so that a thread's range shares decoded x.
template <class Multiplier>
void multiply_panels(const LinearJob& job) {
  if (job.m == 0 || job.n == 0) return;
  const std::int64_t panels = ceil_div(job.n, kPanelColumns);
  const std::int64_t row_blocks = ceil_div(job.m, kBlockRows);
  const std::int64_t panel_macs = smaller(job.m, kBlockRows) * kPanelColumns * (job.k + 1);
  constexpr std::int64_t kWorthAThread = 1 << 20;  // multiply-adds: some 10 us
  parallel_for(job.parallel, panels * row_blocks, ceil_div(kWorthAThread, panel_macs),
               [&](std::int64_t begin, std::int64_t end) {
                 PanelScratch scratch;
                 while (begin < end) {
                   const std::int64_t row = begin / panels * kBlockRows;
                   const std::int64_t panel = begin % panels;
                   const std::int64_t count =
                       smaller(smaller(kBlockPanels, end - begin), panels - panel);
                   const std::int64_t n = panel * kPanelColumns;
                   const PanelBlock block{row, smaller(kBlockRows, job.m - row), n,
                                          smaller(count * kPanelColumns, job.n - n)};
                   multiply_block<Multiplier>(job, block, scratch);
                   begin += count;
                 }
               });
}

}  // namespace
}  // namespace lowp::kernels
