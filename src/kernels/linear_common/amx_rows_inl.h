// Rows of x in the order that tiles are loaded: 32 rows by 16 steps are 2 KiB, one after the other,
// whatever the distance of rows in x. For level amx.
#pragma once

#include "kernels/linear_common/amx_tile_inl.h"
#include "kernels/linear_common/panel_parts_inl.h"
#include "kernels/runtime/workspace.h"

namespace lowp::kernels {
namespace {

using XTile = std::int32_t[kTileRows][kLanes];  // upper 16 rows, lower 16 rows
using XSums = float[kTileRows];                 // of one piece, by row

constexpr std::int64_t kLeastPackedRows = 128;

// A range of K, and the pieces of it that lie in one group each. A piece begins a tile of x and
// fills its last one with zeros.
struct Slab {
  KRange range;
  std::int64_t count;
  KRange pieces[kMaxSegments];
  std::int64_t tiles;
  std::int64_t tiles_before;  // of the slabs before this one
  std::int64_t pieces_before;
};

template <class Multiplier>
std::int64_t steps_of(KRange piece) {
  return ceil_div(piece.end - piece.begin, Multiplier::kPerStep);
}

// The one after `slab`; the first is after an empty one.
template <class Multiplier>
void next_slab(const LinearJob& job, Slab& slab) {
  slab.tiles_before += slab.tiles;
  slab.pieces_before += slab.count;
  const std::int64_t begin = slab.range.end;
  slab.range = {begin, smaller(begin + kPanelSteps * Multiplier::kPerStep, job.k)};
  slab.count = split(job, slab.range, slab.pieces);
  slab.tiles = 0;
  for (std::int64_t i = 0; i < slab.count; ++i) {
    slab.tiles += ceil_div(steps_of<Multiplier>(slab.pieces[i]), kLanes);
  }
}

// Row `row` of the 32 in `tiles`, and the sums of its pieces if those are needed.
template <class Multiplier>
void pack_row(const LinearJob& job, const Slab& slab, std::int64_t m, std::int64_t row,
              XTile* tiles, XSums* sums) {
  alignas(64) std::int32_t steps[kPanelSteps];
  job.decode_x(job.args, m, slab.range.begin, slab.range.end, steps);
  for (std::int64_t i = 0; i < slab.count; ++i) {
    const KRange piece = slab.pieces[i];
    const std::int32_t* from = steps + (piece.begin - slab.range.begin) / Multiplier::kPerStep;
    const std::int64_t length = steps_of<Multiplier>(piece);
    for (std::int64_t step = 0; step < length; step += kLanes, ++tiles) {
      store_ints((*tiles)[row], load_ints(from + step, first_lanes(length - step)));
    }
    if constexpr (Multiplier::kGroups) {
      if (sums != nullptr) sums[i][row] = sum_of_steps(from, length, Multiplier::add_elements);
    }
  }
}

inline bool needs_sums_of_x(const LinearJob& job) {
  return job.group_zeros != nullptr || job.group_offsets != nullptr;
}

// Rows of x for all threads: slab by slab, in each 32 rows after 32.
struct PackedRows {
  std::int64_t m;      // the first row
  std::int64_t pairs;  // of 16 rows
  XTile* tiles;        // nullptr: none, each thread packs what it multiplies
  XSums* sums;         // or nullptr

  XTile* tiles_of(const Slab& slab, std::int64_t row) const {
    return tiles + slab.tiles_before * pairs + (row - m) / kTileRows * slab.tiles;
  }
  XSums* sums_of(const Slab& slab, std::int64_t row) const {
    if (sums == nullptr) return nullptr;
    return sums + slab.pieces_before * pairs + (row - m) / kTileRows * slab.count;
  }
};

// Where the rows [m, m + rows) go.
template <class Multiplier>
PackedRows place_rows(const LinearJob& job, std::int64_t m, std::int64_t rows) {
  Slab slab{};
  while (slab.range.end < job.k) next_slab<Multiplier>(job, slab);
  PackedRows packed{m, ceil_div(rows, kTileRows), nullptr, nullptr};
  const std::int64_t tiles = packed.pairs * (slab.tiles_before + slab.tiles);
  const std::int64_t sums =
      needs_sums_of_x(job) ? packed.pairs * (slab.pieces_before + slab.count) : 0;
  packed.tiles = reinterpret_cast<XTile*>(
      thread_workspace(tiles * std::int64_t{sizeof(XTile)} + sums * std::int64_t{sizeof(XSums)}));
  if (packed.tiles != nullptr && sums > 0) {
    packed.sums = reinterpret_cast<XSums*>(packed.tiles + tiles);
  }
  return packed;
}

// For all threads, by all of them. Fewer than kLeastPackedRows are not worth a loop of their own.
template <class Multiplier>
PackedRows pack_rows(const LinearJob& job, std::int64_t m, std::int64_t rows) {
  constexpr std::int64_t kRows = 8;  // so few at a time that threads have equal shares
  if (rows < kLeastPackedRows || job.k == 0) return {};
  const PackedRows packed = place_rows<Multiplier>(job, m, rows);
  if (packed.tiles == nullptr) return packed;
  parallel_for(job.parallel, ceil_div(rows, kRows), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin * kRows; first < end * kRows; first += kRows) {
      Slab slab{};
      while (slab.range.end < job.k) {
        next_slab<Multiplier>(job, slab);
        for (std::int64_t row = first; row < smaller(first + kRows, rows); ++row) {
          pack_row<Multiplier>(job, slab, m + row, row % kTileRows, packed.tiles_of(slab, m + row),
                               packed.sums_of(slab, m + row));
        }
      }
    }
  });
  return packed;
}

}  // namespace
}  // namespace lowp::kernels
