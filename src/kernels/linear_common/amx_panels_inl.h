// The engine behind panels.h on AMX. Many rows of x are put in the order of tiles first, for all
// threads. What a thread multiplies is a block of the product, whose sums stay in L2; it walks K in
// slabs. A slab of the weight is decoded into L2 once, for all rows of the block; of x, 32 rows at
// a time are in L1, for all panels of the block. Slabs of half or twice the length, and wider
// blocks, are slower.
#pragma once

#include "kernels/linear_common/amx_groups_inl.h"
#include "kernels/linear_common/finish_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlockPanels = 8;
constexpr std::int64_t kBlockRows = 512;
constexpr std::int64_t kMostPackedRows = 1024;  // 28 MiB where K is 14336
constexpr std::int64_t kBlockPairs = kBlockRows / kTileRows;

// About 1 MiB of stack a thread, in an L2 of 2 MiB.
struct AmxScratch {
  alignas(64) Sums sums[kBlockPairs][kBlockPanels][kTileRows];  // fp32, or int32
  alignas(64) PanelSteps weight[kBlockPanels][kPanelSteps];
  alignas(64) XTile x[kMaxSegments];
  alignas(64) Sums partial[2][kTileRows];  // of one group and the one before it
  alignas(64) GroupNumbers scales[kBlockPanels][kMaxSegments];
  alignas(64) GroupNumbers zeros[kBlockPanels][kMaxSegments];
  alignas(64) GroupNumbers offsets[kBlockPanels][kMaxSegments];
  XSums x_sums[kMaxSegments];
};

// Rows [m, m + rows) and columns [n, n + columns) of the product.
struct AmxBlock {
  std::int64_t m;
  std::int64_t rows;
  std::int64_t n;
  std::int64_t columns;

  std::int64_t pairs() const { return ceil_div(rows, kTileRows); }
  std::int64_t panels() const { return ceil_div(columns, kPanelColumns); }
};

inline void decode_panel(const LinearJob& job, const Slab& slab, std::int64_t n, std::int64_t panel,
                         AmxScratch& scratch) {
  job.fill_panel(job, n, slab.range.begin, slab.range.end, scratch.weight[panel][0]);
  if (job.group_scales == nullptr) return;
  const std::int64_t columns = smaller(kPanelColumns, job.n - n);
  const std::int64_t group = slab.range.begin / job.group;
  fill_group_values(job, job.group_scales, n, columns, group, slab.count, scratch.scales[panel]);
  if (job.group_zeros != nullptr) {
    fill_group_values(job, job.group_zeros, n, columns, group, slab.count, scratch.zeros[panel]);
  }
  if (job.group_offsets != nullptr) {
    fill_group_values(job, job.group_offsets, n, columns, group, slab.count,
                      scratch.offsets[panel]);
  }
}

// 32 rows of x in one slab.
struct PairOfRows {
  std::int64_t pair;  // of the block
  const XTile* tiles;
  const XSums* sums;   // or nullptr
  std::int64_t ahead;  // tiles from here to the next 32 rows'
};

// Over no step yet. Each panel's products read a share of the next rows of x ahead: the hardware
// stops at each page.
inline TileProduct product_of(const AmxBlock& block, const PairOfRows& x, std::int64_t panel,
                              const AmxScratch& scratch) {
  const std::int64_t panels = block.panels();
  const std::int64_t rows_ahead = x.ahead == 0 ? 0 : kTileRows;
  return {x.tiles,
          scratch.weight[panel],
          0,
          block.rows - x.pair * kTileRows > kTileSide,
          block.columns - panel * kPanelColumns > kLanes,
          x.ahead,
          rows_ahead * panel / panels,
          rows_ahead * (panel + 1) / panels};
}

// Sums of 32 rows in one panel, over one slab, piece by piece.
template <class Multiplier>
void multiply_groups(const LinearJob& job, const AmxBlock& block, const Slab& slab,
                     const PairOfRows& x, std::int64_t panel, GroupSums& before,
                     AmxScratch& scratch) {
  const std::int64_t m = block.m + x.pair * kTileRows;
  Sums* const sums = scratch.sums[x.pair][panel];
  if (slab.range.begin == 0) std::memset(sums, 0, sizeof(Sums) * kTileRows);
  const std::int64_t x_groups = job.x_group_scale == nullptr ? 0 : ceil_div(job.k, job.group);
  const float* x_scale = job.x_group_scale == nullptr
                             ? nullptr
                             : job.x_group_scale + m * x_groups + slab.range.begin / job.group;
  TileProduct product = product_of(block, x, panel, scratch);
  for (std::int64_t i = 0; i < slab.count; ++i) {
    product.steps = steps_of<Multiplier>(slab.pieces[i]);
    Sums* const partial = scratch.partial[before.partial == scratch.partial[0] ? 1 : 0];
    multiply_group<Multiplier>(product, before, partial);
    product.x += ceil_div(product.steps, kLanes);
    product.panel += product.steps;
    const GroupScaling scaling{scratch.scales[panel][i],
                               job.group_zeros == nullptr ? nullptr : scratch.zeros[panel][i],
                               job.group_offsets == nullptr ? nullptr : scratch.offsets[panel][i],
                               x.sums == nullptr ? nullptr : x.sums[i],
                               x_scale == nullptr ? nullptr : x_scale + i,
                               x_groups};
    before = {scaling, smaller(kTileRows, block.rows - x.pair * kTileRows), product.right ? 2 : 1,
              partial, sums};
  }
}

template <class Multiplier>
void multiply_pair(const LinearJob& job, const AmxBlock& block, const Slab& slab,
                   const PairOfRows& x, AmxScratch& scratch) {
  GroupSums before{};
  for (std::int64_t panel = 0; panel < block.panels(); ++panel) {
    if constexpr (Multiplier::kGroups) {
      if (job.group_scales != nullptr) {
        multiply_groups<Multiplier>(job, block, slab, x, panel, before, scratch);
        continue;
      }
    }
    // Behind the last step, up to the tile's end, are zeros.
    TileProduct product = product_of(block, x, panel, scratch);
    product.steps = slab.tiles * kLanes;
    multiply_tiles<Multiplier>(product, slab.range.begin == 0, scratch.sums[x.pair][panel],
                               [](std::int64_t) {});
  }
  if constexpr (Multiplier::kGroups) add_group<Multiplier>(before, 0, kTileRows);
}

template <class Multiplier>
void multiply_slab(const LinearJob& job, const AmxBlock& block, const Slab& slab,
                   const PackedRows& packed, AmxScratch& scratch) {
  for (std::int64_t pair = 0; pair < block.pairs(); ++pair) {
    PairOfRows x{pair, scratch.x, needs_sums_of_x(job) ? scratch.x_sums : nullptr, 0};
    if (packed.tiles != nullptr) {
      const std::int64_t m = block.m + pair * kTileRows;
      x = {pair, packed.tiles_of(slab, m), packed.sums_of(slab, m), slab.tiles};
    } else {
      const std::int64_t rows = smaller(kTileRows, block.rows - pair * kTileRows);
      for (std::int64_t row = 0; row < rows; ++row) {
        pack_row<Multiplier>(job, slab, block.m + pair * kTileRows + row, row, scratch.x,
                             needs_sums_of_x(job) ? scratch.x_sums : nullptr);
      }
    }
    multiply_pair<Multiplier>(job, block, slab, x, scratch);
  }
}

template <class Multiplier>
void finish_block(const LinearJob& job, const AmxBlock& block, const AmxScratch& scratch) {
  for (std::int64_t row = 0; row < block.rows; ++row) {
    for (std::int64_t panel = 0; panel < block.panels(); ++panel) {
      const std::int64_t column = panel * kPanelColumns;
      finish_row<Multiplier::kInteger>(job, block.m + row, block.n + column,
                                       smaller(kPanelColumns, block.columns - column),
                                       scratch.sums[row / kTileRows][panel][row % kTileRows]);
    }
  }
}

template <class Multiplier>
void multiply_block(const LinearJob& job, const AmxBlock& block, const PackedRows& packed,
                    AmxScratch& scratch) {
  if (job.k == 0) std::memset(scratch.sums, 0, sizeof(scratch.sums));
  Slab slab{};
  while (slab.range.end < job.k) {
    next_slab<Multiplier>(job, slab);
    for (std::int64_t panel = 0; panel < block.panels(); ++panel) {
      decode_panel(job, slab, block.n + panel * kPanelColumns, panel, scratch);
    }
    multiply_slab<Multiplier>(job, block, slab, packed, scratch);
  }
  finish_block<Multiplier>(job, block, scratch);
}

// How many rows a block has, by the cycles that the thread with most work spends on 64 bytes of a
// row: 64 on four products of tiles, some 200 to decode two tiles of the weight, 4 a row of x.
inline std::int64_t rows_of_block(std::int64_t m, std::int64_t panels, std::int64_t threads) {
  constexpr std::int64_t kProducts = 64;
  constexpr std::int64_t kDecodePanel = 200;
  constexpr std::int64_t kDecodeRow = 4;
  std::int64_t best_rows = 0;
  std::int64_t best_cost = 0;
  for (std::int64_t blocks = ceil_div(m, kBlockRows);; blocks *= 2) {
    const std::int64_t pairs = ceil_div(ceil_div(m, blocks), kTileRows);
    const std::int64_t rows = pairs * kTileRows;
    const std::int64_t share = ceil_div(ceil_div(m, rows) * panels, threads);
    const std::int64_t passes = ceil_div(share, smaller(panels, kBlockPanels));
    const std::int64_t cost =
        share * (pairs * kProducts + kDecodePanel) + passes * smaller(rows, m) * kDecodeRow;
    if (best_rows == 0 || cost < best_cost) {
      best_rows = rows;
      best_cost = cost;
    }
    if (pairs == 1) return best_rows;
  }
}

// Of a thread's share: several ranges, so that a thread that the system holds up holds up no other
// for long, but wide ones, because x is decoded for each.
inline std::int64_t panels_of_range(std::int64_t share) {
  constexpr std::int64_t kLeast = 4;
  constexpr std::int64_t kMostRanges = 4;
  const std::int64_t ranges = smaller(share / kLeast, kMostRanges);
  return ranges > 1 ? ceil_div(share, ranges) : share;
}

// Rows [m, m + rows) of the product. Panels of one block of rows follow each other, so that blocks
// of a thread's range are wide.
template <class Multiplier>
void multiply_rows(const LinearJob& job, std::int64_t m, std::int64_t rows) {
  const std::int64_t panels = ceil_div(job.n, kPanelColumns);
  const std::int64_t threads = threads_of(job.parallel);
  const std::int64_t block_rows = rows_of_block(rows, panels, threads);
  const std::int64_t count = panels * ceil_div(rows, block_rows);
  constexpr std::int64_t kWorthAThread = 1 << 20;  // multiply-adds: some 2 us
  const std::int64_t worth = ceil_div(kWorthAThread, block_rows * kPanelColumns * (job.k + 1));
  const std::int64_t range = panels_of_range(ceil_div(count, threads));
  const PackedRows packed = pack_rows<Multiplier>(job, m, rows);
  parallel_for(job.parallel, count, worth > range ? worth : range,
               [&](std::int64_t begin, std::int64_t end) {
                 AmxScratch scratch;
                 const TileScope tiles;
                 while (begin < end) {
                   const std::int64_t row = begin / panels * block_rows;
                   const std::int64_t panel = begin % panels;
                   const std::int64_t left = smaller(end - begin, panels - panel);
                   const std::int64_t wide = ceil_div(left, ceil_div(left, kBlockPanels));
                   const std::int64_t n = panel * kPanelColumns;
                   const AmxBlock block{m + row, smaller(block_rows, rows - row), n,
                                        smaller(wide * kPanelColumns, job.n - n)};
                   multiply_block<Multiplier>(job, block, packed, scratch);
                   begin += wide;
                 }
               });
}

template <class Multiplier>
void multiply_panels(const LinearJob& job) {
  if (job.m == 0 || job.n == 0) return;
  const std::int64_t share = ceil_div(job.m, ceil_div(job.m, kMostPackedRows));
  const std::int64_t rows = ceil_div(share, kTileRows) * kTileRows;
  for (std::int64_t m = 0; m < job.m; m += rows) {
    multiply_rows<Multiplier>(job, m, smaller(rows, job.m - m));
  }
}

}  // namespace
}  // namespace lowp::kernels
