// The engine behind panels.h on AMX. What a thread multiplies is a block of the product, whose sums
// stay in L2; it walks K in slabs. A slab of the weight is decoded into L2 once, for all rows of
// the block; of x, 32 rows at a time are copied into L1, for all panels of the block: read in
// place, rows a power of two apart would share few sets of the caches. Reading codes ahead in
// software gained nothing, nor did slabs of half or twice the length.
#pragma once

#include "kernels/linear_common/amx_products_inl.h"
#include "kernels/linear_common/finish_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlockPanels = 8;
constexpr std::int64_t kBlockRows = 512;
constexpr std::int64_t kBlockPairs = kBlockRows / kTileRows;

// About 1 MiB of stack a thread, in an L2 of 2 MiB.
struct AmxScratch {
  alignas(64) Sums sums[kBlockPairs][kBlockPanels][kTileRows];  // fp32, or int32
  alignas(64) PanelSteps weight[kBlockPanels][kPanelSteps];
  alignas(64) RowSteps x[kTileRows];
  alignas(64) RowSteps decoded[kLanes];
  alignas(64) Sums partial[kTileRows];  // of one group
  alignas(64) GroupNumbers scales[kBlockPanels][kMaxSegments];
  alignas(64) GroupNumbers zeros[kBlockPanels][kMaxSegments];
  alignas(64) GroupNumbers offsets[kBlockPanels][kMaxSegments];
  float x_sums[kMaxSegments][kTileRows];
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

// A range of K, and the pieces of it that lie in one group each.
struct Slab {
  KRange range;
  std::int64_t count;
  KRange pieces[kMaxSegments];
};

template <class Multiplier>
Slab slab_from(const LinearJob& job, std::int64_t begin) {
  Slab slab;
  slab.range = {begin, smaller(begin + kPanelSteps * Multiplier::kPerStep, job.k)};
  slab.count = split(job, slab.range, slab.pieces);
  return slab;
}

template <class Multiplier>
void decode_panel(const LinearJob& job, const Slab& slab, std::int64_t n, std::int64_t panel,
                  AmxScratch& scratch) {
  const std::int64_t steps = ceil_div(slab.range.end - slab.range.begin, Multiplier::kPerStep);
  fill_panel(job, n, slab.range, steps, scratch.decoded, scratch.weight[panel]);
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

// Rows of x, and the sums of their pieces where those are needed.
template <class Multiplier>
void decode_rows(const LinearJob& job, const Slab& slab, std::int64_t m, std::int64_t rows,
                 AmxScratch& scratch) {
  for (std::int64_t row = 0; row < rows; ++row) {
    job.decode_x(job.args, m + row, slab.range.begin, slab.range.end, scratch.x[row]);
  }
  if constexpr (Multiplier::kGroups) {
    if (job.group_zeros == nullptr && job.group_offsets == nullptr) return;
    for (std::int64_t i = 0; i < slab.count; ++i) {
      const KRange piece = slab.pieces[i];
      const std::int64_t first = (piece.begin - slab.range.begin) / Multiplier::kPerStep;
      const std::int64_t length = ceil_div(piece.end - piece.begin, Multiplier::kPerStep);
      for (std::int64_t row = 0; row < rows; ++row) {
        scratch.x_sums[i][row] =
            sum_of_steps(scratch.x[row] + first, length, Multiplier::add_elements);
      }
    }
  }
}

// What the sums of a group are multiplied with and what is added to them.
struct GroupScaling {
  const float* scales;         // (kPanelColumns)
  const float* zeros;          // (kPanelColumns), or nullptr
  const float* offsets;        // (kPanelColumns), or nullptr
  const float* x_sums;         // (rows), with zeros or offsets
  const float* x_group_scale;  // rows x_groups apart, or nullptr
  std::int64_t x_groups;
};

// sums += partial * scale
template <class Multiplier, int kVectors>
void add_scaled(const GroupScaling& scaling, std::int64_t rows, const Sums* partial, Sums* sums) {
  Floats scale[kVectors];
  for (int v = 0; v < kVectors; ++v) scale[v] = load_floats(scaling.scales + v * kLanes);
#pragma GCC unroll 4
  for (std::int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const Floats product = Multiplier::to_fp32(load_ints(partial[row] + v * kLanes));
      std::int32_t* sum = sums[row] + v * kLanes;
      store_floats(sum, multiply_add(product, scale[v], load_floats(sum)));
    }
  }
}

// sums += (partial (+ offset * x_sum)) * scale (* x_group_scale) (+ zero * x_sum)
template <class Multiplier>
void add_shifted(const GroupScaling& scaling, std::int64_t rows, std::int64_t vectors,
                 const Sums* partial, Sums* sums) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const bool shifted = scaling.zeros != nullptr || scaling.offsets != nullptr;
    const Floats x_sum = broadcast(shifted ? scaling.x_sums[row] : 0.0F);
    const Floats x_scale = broadcast(
        scaling.x_group_scale == nullptr ? 1.0F : scaling.x_group_scale[row * scaling.x_groups]);
    for (std::int64_t i = 0; i < vectors * kLanes; i += kLanes) {
      Floats product = Multiplier::to_fp32(load_ints(partial[row] + i));
      if (scaling.offsets != nullptr) {
        product = multiply_add(load_floats(scaling.offsets + i), x_sum, product);
      }
      const Floats scale = multiply(load_floats(scaling.scales + i), x_scale);
      Floats sum = multiply_add(product, scale, load_floats(sums[row] + i));
      if (scaling.zeros != nullptr) sum = multiply_add(load_floats(scaling.zeros + i), x_sum, sum);
      store_floats(sums[row] + i, sum);
    }
  }
}

template <class Multiplier>
void add_group(const GroupScaling& scaling, std::int64_t rows, bool right, const Sums* partial,
               Sums* sums) {
  if (scaling.zeros != nullptr || scaling.offsets != nullptr || scaling.x_group_scale != nullptr) {
    add_shifted<Multiplier>(scaling, rows, right ? 2 : 1, partial, sums);
  } else if (right) {
    add_scaled<Multiplier, 2>(scaling, rows, partial, sums);
  } else {
    add_scaled<Multiplier, 1>(scaling, rows, partial, sums);
  }
}

// Sums of the pair of tile rows from row m + 32 * pair on, in one panel, over one slab.
template <class Multiplier>
void multiply_pair(const LinearJob& job, const AmxBlock& block, const Slab& slab, std::int64_t pair,
                   std::int64_t panel, AmxScratch& scratch) {
  const std::int64_t rows = smaller(kTileRows, block.rows - pair * kTileRows);
  const std::int64_t columns = smaller(kPanelColumns, block.columns - panel * kPanelColumns);
  Sums* const sums = scratch.sums[pair][panel];
  const bool first = slab.range.begin == 0;
  const auto product = [&](KRange piece) {
    const std::int64_t begin = (piece.begin - slab.range.begin) / Multiplier::kPerStep;
    std::int64_t end = ceil_div(piece.end - slab.range.begin, Multiplier::kPerStep);
    // Behind the slab's last step, up to the tile's end, are zeros.
    if (piece.end == slab.range.end) end = ceil_div(end, kLanes) * kLanes;
    return TileProduct{scratch.x[0] + begin, scratch.weight[panel] + begin, end - begin,
                       rows > kTileSide, columns > kLanes};
  };
  if constexpr (Multiplier::kGroups) {
    if (job.group_scales != nullptr) {
      if (first) std::memset(sums, 0, sizeof(Sums) * kTileRows);
      const std::int64_t x_groups = job.x_group_scale == nullptr ? 0 : ceil_div(job.k, job.group);
      const float* x_scale = job.x_group_scale == nullptr
                                 ? nullptr
                                 : job.x_group_scale + (block.m + pair * kTileRows) * x_groups +
                                       slab.range.begin / job.group;
      for (std::int64_t i = 0; i < slab.count; ++i) {
        multiply_tiles<Multiplier>(product(slab.pieces[i]), true, scratch.partial);
        const GroupScaling scaling{
            scratch.scales[panel][i],
            job.group_zeros == nullptr ? nullptr : scratch.zeros[panel][i],
            job.group_offsets == nullptr ? nullptr : scratch.offsets[panel][i],
            scratch.x_sums[i],
            x_scale == nullptr ? nullptr : x_scale + i,
            x_groups};
        add_group<Multiplier>(scaling, rows, columns > kLanes, scratch.partial, sums);
      }
      return;
    }
  }
  multiply_tiles<Multiplier>(product(slab.range), first, sums);
}

template <class Multiplier>
void multiply_slab(const LinearJob& job, const AmxBlock& block, const Slab& slab,
                   AmxScratch& scratch) {
  const std::int64_t pairs = block.pairs();
  const std::int64_t panels = block.panels();
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const std::int64_t row = pair * kTileRows;
    decode_rows<Multiplier>(job, slab, block.m + row, smaller(kTileRows, block.rows - row),
                            scratch);
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      multiply_pair<Multiplier>(job, block, slab, pair, panel, scratch);
    }
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
void multiply_block(const LinearJob& job, const AmxBlock& block, AmxScratch& scratch) {
  const std::int64_t panels = block.panels();
  if (job.k == 0) std::memset(scratch.sums, 0, sizeof(scratch.sums));
  for (std::int64_t k = 0; k < job.k;) {
    const Slab slab = slab_from<Multiplier>(job, k);
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      const std::int64_t n = block.n + panel * kPanelColumns;
      decode_panel<Multiplier>(job, slab, n, panel, scratch);
    }
    multiply_slab<Multiplier>(job, block, slab, scratch);
    k = slab.range.end;
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

// Panels of one block of rows follow each other, so that blocks of a thread's range are wide.
template <class Multiplier>
void multiply_panels(const LinearJob& job) {
  if (job.m == 0 || job.n == 0) return;
  const std::int64_t panels = ceil_div(job.n, kPanelColumns);
  const std::int64_t threads = threads_of(job.parallel);
  const std::int64_t block_rows = rows_of_block(job.m, panels, threads);
  const std::int64_t count = panels * ceil_div(job.m, block_rows);
  constexpr std::int64_t kWorthAThread = 1 << 20;  // multiply-adds: some 2 us
  const std::int64_t worth = ceil_div(kWorthAThread, block_rows * kPanelColumns * (job.k + 1));
  const std::int64_t range = panels_of_range(ceil_div(count, threads));
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
                   const AmxBlock block{row, smaller(block_rows, job.m - row), n,
                                        smaller(wide * kPanelColumns, job.n - n)};
                   multiply_block<Multiplier>(job, block, scratch);
                   begin += wide;
                 }
               });
}

}  // namespace
}  // namespace lowp::kernels
