// The engine behind panels.h, a template on the multiplier. A file of one ISA level includes its
// tile first (avx512_tile_inl.h, avx2_tile_inl.h); internal linkage, so each has its own copy.
#pragma once

#include <array>
#include <cstring>
#include <utility>

#include "kernels/linear_common/finish_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_common/panel_parts_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlockColumns = kBlockPanels * kPanelColumns;
// 370 KiB of stack a thread with AVX-512, 450 with AVX2; L2 holds it.
struct PanelScratch {
  alignas(64) std::int32_t panel[kPanelSteps][kPanelColumns];
  alignas(64) std::int32_t decoded[kLanes][kPanelSteps];
  alignas(64) std::int32_t x[kBlockRows][kPanelSteps];
  alignas(64) std::int32_t sums[kBlockRows][kBlockColumns];  // fp32, or int32
  alignas(64) float scales[kMaxSegments][kPanelColumns];
  alignas(64) float zeros[kMaxSegments][kPanelColumns];
  alignas(64) float offsets[kMaxSegments][kPanelColumns];
  float x_sums[kMaxSegments][kBlockRows];
};

// A panel times kRows rows of x, piece by piece: what is added to the sums. Numbers of columns are
// (count, kPanelColumns).
struct Tile {
  const char* x;  // first row's steps
  std::int64_t x_stride;
  const std::int32_t (*panel)[kPanelColumns];
  const KRange* pieces;
  std::int64_t count;
  std::int32_t (*sums)[kBlockColumns];
  const GroupNumbers* scales;         // or nullptr
  const GroupNumbers* zeros;          // or nullptr
  const GroupNumbers* offsets;        // or nullptr
  const float (*x_sums)[kBlockRows];  // with zeros or offsets
  const float* x_group_scale;         // rows x_groups apart, or nullptr
  std::int64_t x_groups;
};

// Rows of x in registers: fewer than kTileRows where products need registers before they are added.
template <class Multiplier>
constexpr std::int64_t tile_rows() {
  if constexpr (requires { Multiplier::kTileRows; }) return Multiplier::kTileRows;
  return kTileRows;
}

inline Floats as_floats(Floats sums) { return sums; }
inline Floats as_floats(Int32s sums) { return to_floats(reinterpret_cast<Ints>(sums)); }

// Integer products go into sums of 16 bits first.
template <class Multiplier>
concept HasNarrowSums = requires {
  typename Multiplier::Narrow;
};

// sums += (partial (+ offset * x_sum)) * scale (+ zero * x_sum), of piece i
template <class Multiplier, int kVectors>
[[gnu::always_inline]] inline void add_row(const Tile& tile, std::int64_t i, int row,
                                           const typename Multiplier::Sum* partial) {
  std::int32_t* sums = tile.sums[row];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (Multiplier::kInteger) {
      const Ints sum = load_ints(sums + v * kLanes);
      store_ints(sums + v * kLanes, add(sum, reinterpret_cast<Ints>(partial[v])));
    } else {
      Floats sum = load_floats(sums + v * kLanes);
      Floats product = as_floats(partial[v]);
      if (HasNarrowSums<Multiplier> || tile.offsets != nullptr) {
        product = multiply_add(load_floats(tile.offsets[i] + v * kLanes),
                               broadcast(tile.x_sums[i][row]), product);
      }
      if (!HasNarrowSums<Multiplier> && tile.scales == nullptr) {
        sum = add(sum, product);
      } else {
        Floats scale = load_floats(tile.scales[i] + v * kLanes);
        if (!HasNarrowSums<Multiplier> && tile.x_group_scale != nullptr) {
          scale = multiply(scale, broadcast(tile.x_group_scale[row * tile.x_groups + i]));
        }
        sum = multiply_add(product, scale, sum);
        if (tile.zeros != nullptr) {
          sum = multiply_add(load_floats(tile.zeros[i] + v * kLanes),
                             broadcast(tile.x_sums[i][row]), sum);
        }
      }
      store_floats(sums + v * kLanes, sum);
    }
  }
}

template <class Sum, int kRows, int kVectors>
[[gnu::always_inline]] inline void clear(Sum (&sums)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) sums[row][v] = Sum{};
  }
}

// sums += the step of x at x times that of the panel; kFirst: sums are that, whatever they were.
template <class Multiplier, bool kFirst = false, class Sum, int kRows, int kVectors>
[[gnu::always_inline]] inline void add_step(Sum (&sums)[kRows][kVectors], std::int64_t x_stride,
                                            const char* x, const std::int32_t* panel) {
  Ints weight[kVectors];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) weight[v] = load_ints(panel + v * kLanes);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    std::int32_t dword;
    std::memcpy(&dword, x + row * x_stride, sizeof(dword));
    const Ints everywhere = broadcast(dword);
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      if constexpr (kFirst) {
        sums[row][v] = Multiplier::multiply(everywhere, weight[v]);
      } else {
        sums[row][v] = Multiplier::multiply_add(sums[row][v], everywhere, weight[v]);
      }
    }
  }
}

// As add_step, of `steps` steps.
template <class Multiplier, class Sum, int kRows, int kVectors>
[[gnu::always_inline]] inline void add_steps(Sum (&sums)[kRows][kVectors], std::int64_t steps,
                                             std::int64_t x_stride, const char* x,
                                             const std::int32_t* panel) {
  for (std::int64_t step = 0; step < steps; ++step) {
    add_step<Multiplier>(sums, x_stride, x + step * 4, panel + step * kPanelColumns);
  }
}

template <class Multiplier, int kRows, int kVectors>
[[gnu::always_inline]] inline void widen(
    const typename Multiplier::Narrow (&narrow)[kRows][kVectors],
    typename Multiplier::Sum (&sums)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      sums[row][v] = Multiplier::widen(sums[row][v], narrow[row][v]);
    }
  }
}

// As add_steps, through sums of 16 bits.
template <class Multiplier, int kRows, int kVectors>
[[gnu::always_inline]] inline void add_narrow_steps(
    typename Multiplier::Sum (&sums)[kRows][kVectors], std::int64_t steps, std::int64_t x_stride,
    const char* x, const std::int32_t* panel) {
  constexpr std::int64_t kNarrowSteps = Multiplier::kNarrowSteps;
  typename Multiplier::Narrow narrow[kRows][kVectors];
  if constexpr (kUnrollsNarrow) {
    for (; steps >= kNarrowSteps; steps -= kNarrowSteps) {
      add_step<Multiplier, true>(narrow, x_stride, x, panel);
#pragma GCC unroll 8
      for (std::int64_t step = 1; step < kNarrowSteps; ++step) {
        add_step<Multiplier>(narrow, x_stride, x + step * 4, panel + step * kPanelColumns);
      }
      widen<Multiplier>(narrow, sums);
      x += kNarrowSteps * 4;
      panel += kNarrowSteps * kPanelColumns;
    }
  }
  while (steps > 0) {
    const std::int64_t count = smaller(steps, kNarrowSteps);
    clear(narrow);
    add_steps<Multiplier>(narrow, count, x_stride, x, panel);
    widen<Multiplier>(narrow, sums);
    x += count * 4;
    panel += count * kPanelColumns;
    steps -= count;
  }
}

template <class Multiplier, int kRows, int kVectors>
void multiply_tile(const Tile& shared) {
  const Tile tile = shared;  // a copy, which stores to sums cannot change
  const char* x = tile.x;
  const std::int32_t* panel = tile.panel[0];
  for (std::int64_t i = 0; i < tile.count; ++i) {
    const std::int64_t steps =
        ceil_div(tile.pieces[i].end - tile.pieces[i].begin, Multiplier::kPerStep);
    typename Multiplier::Sum sum[kRows][kVectors];
    clear(sum);
    if constexpr (HasNarrowSums<Multiplier>) {
      add_narrow_steps<Multiplier>(sum, steps, tile.x_stride, x, panel);
    } else {
      add_steps<Multiplier>(sum, steps, tile.x_stride, x, panel);
    }
    x += steps * 4;
    panel += steps * kPanelColumns;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) add_row<Multiplier, kVectors>(tile, i, row, sum[row]);
  }
}

using MultiplyTile = void (*)(const Tile&);

// By the number of rows, less one.
template <class Multiplier, int kVectors>
constexpr auto kMultiplyTile = []<int... kRow>(std::integer_sequence<int, kRow...>) {
  return std::array<MultiplyTile, sizeof...(kRow)>{
      multiply_tile<Multiplier, kRow + 1, kVectors>...};
}
(std::make_integer_sequence<int, tile_rows<Multiplier>()>{});

template <class Multiplier>
MultiplyTile choose_tile(std::int64_t rows, std::int64_t columns) {
  const auto row = static_cast<std::size_t>(rows - 1);
  if constexpr (kTileVectors == 3) {
    if (columns > 2 * kLanes) return kMultiplyTile<Multiplier, 3>[row];
  }
  return columns > kLanes ? kMultiplyTile<Multiplier, 2>[row] : kMultiplyTile<Multiplier, 1>[row];
}

// A block of the product: rows [m, m + rows) and columns [n, n + columns), and one range of K.
struct PanelBlock {
  std::int64_t m;
  std::int64_t rows;
  std::int64_t n;
  std::int64_t columns;
};

// Whether elements are multiplied by their scales before the product, which numerics 8 asks for
// where x has none: the multiplier's elements must hold the result.
template <class Multiplier>
bool scales_go_into_panel(const LinearJob& job) {
  return Multiplier::kHoldsScaled && job.group_scales != nullptr && job.x_group_scale == nullptr;
}

// In place: elements of pieces of one group each, times its scale, plus its zero.
inline void scale_panel(KRange range, const KRange* pieces, std::int64_t count, bool zeros,
                        PanelScratch& scratch) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t v = 0; v < kTileVectors; ++v) {
      const Floats scale = load_floats(scratch.scales[i] + v * kLanes);
      const Floats zero = zeros ? load_floats(scratch.zeros[i] + v * kLanes) : broadcast(0.0F);
      for (std::int64_t k = pieces[i].begin - range.begin; k < pieces[i].end - range.begin; ++k) {
        std::int32_t* elements = scratch.panel[k] + v * kLanes;
        store_floats(elements, multiply_add(load_floats(elements), scale, zero));
      }
    }
  }
}

// Codes of the panel that is decoded next.
struct NextCodes {
  const char* first_row;  // or nullptr
  std::int64_t bytes;     // of each row
  std::int64_t row_stride;
};

inline NextCodes codes_behind(const LinearJob& job, const PanelBlock& block, std::int64_t n,
                              KRange range) {
  if (job.fill_panel == nullptr || job.row_bytes == 0) return {};
  const bool last = n + kPanelColumns >= block.n + block.columns;
  const std::int64_t next_n = last ? block.n : n + kPanelColumns;
  const std::int64_t next_k = last ? range.end : range.begin;
  if (next_k >= job.k || next_n + kPanelColumns > job.n) return {};
  const auto bytes_of = [&job](std::int64_t columns) { return columns * job.row_bytes / job.k; };
  return {static_cast<const char*>(job.codes) + next_n * job.row_bytes + bytes_of(next_k),
          bytes_of(smaller(range.end - range.begin, job.k - next_k)), job.row_bytes};
}

inline void read_ahead(const NextCodes& codes, std::int64_t begin_row, std::int64_t end_row) {
  if (codes.first_row == nullptr) return;
  for (std::int64_t row = begin_row; row < end_row; ++row) {
    const char* from = codes.first_row + row * codes.row_stride;
    for (std::int64_t at = 0; at < codes.bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
  }
}

template <class Multiplier>
void multiply_panel(const LinearJob& job, const PanelBlock& block, std::int64_t panel_n,
                    const char* x, std::int64_t x_stride, KRange range, const KRange* pieces,
                    std::int64_t count, PanelScratch& scratch) {
  const NextCodes next = codes_behind(job, block, panel_n, range);
  const std::int64_t columns = smaller(kPanelColumns, job.n - panel_n);
  const std::int64_t x_groups = job.x_group_scale == nullptr ? 0 : ceil_div(job.k, job.group);
  if (job.group_scales != nullptr) {
    const std::int64_t group = range.begin / job.group;
    fill_group_values(job, job.group_scales, panel_n, columns, group, count, scratch.scales);
    if (job.group_zeros != nullptr) {
      fill_group_values(job, job.group_zeros, panel_n, columns, group, count, scratch.zeros);
    }
    if (job.group_offsets != nullptr) {
      fill_group_values(job, job.group_offsets, panel_n, columns, group, count, scratch.offsets);
    }
  }
  const bool in_panel = scales_go_into_panel<Multiplier>(job);
  if (in_panel) scale_panel(range, pieces, count, job.group_zeros != nullptr, scratch);
  constexpr std::int64_t kRows = tile_rows<Multiplier>();
  for (std::int64_t row = 0; row < block.rows; row += kRows) {
    Tile tile{};
    tile.x = x + row * x_stride;
    tile.x_stride = x_stride;
    tile.panel = scratch.panel;
    tile.pieces = in_panel ? &range : pieces;
    tile.count = in_panel ? 1 : count;
    tile.sums =
        reinterpret_cast<std::int32_t(*)[kBlockColumns]>(scratch.sums[row] + (panel_n - block.n));
    if (job.group_scales != nullptr && !in_panel) tile.scales = scratch.scales;
    if (job.group_zeros != nullptr && !in_panel) tile.zeros = scratch.zeros;
    if (job.group_offsets != nullptr) tile.offsets = scratch.offsets;
    tile.x_sums = reinterpret_cast<const float(*)[kBlockRows]>(scratch.x_sums[0] + row);
    if (job.x_group_scale != nullptr) {
      tile.x_group_scale = job.x_group_scale + (block.m + row) * x_groups + range.begin / job.group;
      tile.x_groups = x_groups;
    }
    // Beside the products, a share with each tile.
    read_ahead(next, kPanelColumns * row / block.rows,
               kPanelColumns * smaller(row + kRows, block.rows) / block.rows);
    choose_tile<Multiplier>(smaller(kRows, block.rows - row), columns)(tile);
  }
}

// Row `row` of x's codes in columns of `range`.
inline void read_ahead_x(const LinearJob& job, std::int64_t row, KRange range) {
  const char* codes = static_cast<const char*>(job.x_codes) + row * job.x_codes_stride;
  for (std::int64_t at = range.begin * job.x_code_bytes; at < range.end * job.x_code_bytes;
       at += 64) {
    __builtin_prefetch(codes + at);
  }
}

// Decodes columns [n, n + kPanelColumns) of the product, that is rows of the weight. `decoded`
// (kLanes rows) is scratch.
inline void fill_panel(const LinearJob& job, std::int64_t n, KRange range, std::int64_t steps,
                       std::int32_t (*decoded)[kPanelSteps], PanelSteps* panel) {
  if (job.fill_panel != nullptr) {
    job.fill_panel(job, n, range.begin, range.end, panel[0]);
    return;
  }
  for (std::int64_t first = 0; first < kPanelColumns && n + first < job.n; first += kLanes) {
    const std::int64_t rows = smaller(kLanes, job.n - n - first);
    for (std::int64_t row = 0; row < rows; ++row) {
      job.decode_weight(job.args, n + first + row, range.begin, range.end, decoded[row]);
    }
    for (std::int64_t row = rows; row < kLanes; ++row) {
      std::memset(decoded[row], 0, sizeof(decoded[row]));
    }
    for (std::int64_t step = 0; step < steps; step += kLanes) {
      transpose_square(decoded, step, panel + step, first);
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
    const std::int64_t count = split(job, range, pieces);
    // The last unit is whole: zeros behind its columns.
    if (job.unit > 0) pieces[count - 1].end += -range.end & (job.unit - 1);

    // x as it is, unless a step would reach over the end of a row or sums of x are needed.
    const bool whole = (range.end - range.begin) % Multiplier::kPerStep == 0;
    const bool sums_x = (job.group_zeros != nullptr && !scales_go_into_panel<Multiplier>(job)) ||
                        job.group_offsets != nullptr;
    const bool direct = job.x != nullptr && whole && !sums_x;
    const char* x = reinterpret_cast<const char*>(scratch.x);
    std::int64_t x_stride = sizeof(scratch.x[0]);
    if (direct) {
      x_stride = job.x_stride;
      x = static_cast<const char*>(job.x) + block.m * x_stride + begin * 4 / Multiplier::kPerStep;
    } else {
      for (std::int64_t row = 0; row < block.rows; ++row) {
        if (kRowsAhead > 0 && job.x_codes != nullptr && row + kRowsAhead < block.rows) {
          read_ahead_x(job, block.m + row + kRowsAhead, range);
        }
        job.decode_x(job.args, block.m + row, range.begin, range.end, scratch.x[row]);
      }
    }
    if constexpr (!Multiplier::kInteger) {
      for (std::int64_t i = 0; i < count && sums_x; ++i) {
        const std::int64_t first = (pieces[i].begin - range.begin) / Multiplier::kPerStep;
        const std::int64_t length = ceil_div(pieces[i].end - pieces[i].begin, Multiplier::kPerStep);
        for (std::int64_t row = 0; row < block.rows; ++row) {
          scratch.x_sums[i][row] =
              sum_of_steps(scratch.x[row] + first, length, Multiplier::add_elements);
        }
      }
    }
    for (std::int64_t n = block.n; n < block.n + block.columns; n += kPanelColumns) {
      fill_panel(job, n, range, steps, scratch.decoded, scratch.panel);
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
  constexpr std::int64_t kRows = tile_rows<Multiplier>();
  const std::int64_t block_rows = ceil_div(ceil_div(job.m, row_blocks), kRows) * kRows;
  const std::int64_t panel_macs = block_rows * kPanelColumns * (job.k + 1);
  constexpr std::int64_t kWorthAThread = 1 << 20;  // multiply-adds: some 10 us
  const std::int64_t worth = ceil_div(kWorthAThread, panel_macs);
  parallel_for(job.parallel, panels * row_blocks, worth, [&](std::int64_t begin, std::int64_t end) {
    PanelScratch scratch;
    while (begin < end) {
      const std::int64_t row = begin / panels * block_rows;
      const std::int64_t panel = begin % panels;
      const std::int64_t count = smaller(smaller(kBlockPanels, end - begin), panels - panel);
      const std::int64_t n = panel * kPanelColumns;
      const PanelBlock block{row, smaller(block_rows, job.m - row), n,
                             smaller(count * kPanelColumns, job.n - n)};
      multiply_block<Multiplier>(job, block, scratch);
      begin += count;
    }
  });
}

}  // namespace
}  // namespace lowp::kernels
