// Products of two by two tile registers. For level amx: GCC is not told what the loads of tiles
// read and their stores write, so that barriers keep other stores and loads on their side.
#pragma once

#include <cstring>

#include "kernels/linear_common/amx_rows_inl.h"

namespace lowp::kernels {
namespace {

using Sums = std::int32_t[kPanelColumns];  // of one row: int32, or fp32

// 32 rows of x times 32 columns, over some steps of both.
struct TileProduct {
  const XTile* x;
  const PanelSteps* panel;
  std::int64_t steps;
  bool lower;  // whether more than 16 rows count
  bool right;  // whether more than 16 columns do

  // Of each tile of x that is `ahead` of this one, rows [first, last) are read into L2 meanwhile.
  std::int64_t ahead;  // tiles
  std::int64_t first_ahead;
  std::int64_t last_ahead;
};

inline void read_ahead(const TileProduct& product, const XTile& x) {
  for (std::int64_t row = product.first_ahead; row < product.last_ahead; ++row) {
    _mm_prefetch((&x)[product.ahead][row], _MM_HINT_T1);
  }
}

// Tile registers 0 to 3: sums of the upper rows' left and right columns, then of the lower rows';
// 4, 5: x, upper and lower rows; 6, 7: weight, left and right columns. The weight is loaded past
// L1, where x stays for the next panel.
template <class Multiplier, bool kLower, bool kRight>
inline void multiply_step(const XTile& x, const PanelSteps* panel) {
  constexpr std::int64_t kPanelStride = sizeof(PanelSteps);
  constexpr std::int64_t kXStride = sizeof(x[0]);
  _tile_stream_loadd(6, panel[0], kPanelStride);
  _tile_loadd(4, x[0], kXStride);
  Multiplier::template multiply<0>();
  if constexpr (kRight) {
    _tile_stream_loadd(7, panel[0] + kLanes, kPanelStride);
    Multiplier::template multiply<1>();
  }
  if constexpr (kLower) {
    _tile_loadd(5, x[kTileSide], kXStride);
    Multiplier::template multiply<2>();
    if constexpr (kRight) Multiplier::template multiply<3>();
  }
}

// Fewer than 16 steps; x is zero behind them.
template <class Multiplier, bool kLower, bool kRight>
void multiply_last_steps(const XTile& x, const PanelSteps* panel, std::int64_t steps) {
  alignas(64) PanelSteps panel_part[kTileSide] = {};
  std::memcpy(panel_part, panel, static_cast<std::size_t>(steps) * sizeof(PanelSteps));
  asm volatile("" ::: "memory");
  multiply_step<Multiplier, kLower, kRight>(x, panel_part);
}

// `beside(step)` is called behind every 16 steps' products: vector instructions that run while the
// tiles' unit works.
template <class Multiplier, bool kLower, bool kRight, class Beside>
void multiply_two_by_two(const TileProduct& product, bool first, Sums* sums, const Beside& beside) {
  constexpr std::int64_t kSumsStride = sizeof(Sums);
  asm volatile("" ::: "memory");
  if (first) {
    _tile_zero(0);
    if constexpr (kRight) _tile_zero(1);
    if constexpr (kLower) _tile_zero(2);
    if constexpr (kLower && kRight) _tile_zero(3);
  } else {
    _tile_loadd(0, sums[0], kSumsStride);
    if constexpr (kRight) _tile_loadd(1, sums[0] + kLanes, kSumsStride);
    if constexpr (kLower) _tile_loadd(2, sums[kTileSide], kSumsStride);
    if constexpr (kLower && kRight) _tile_loadd(3, sums[kTileSide] + kLanes, kSumsStride);
  }
  std::int64_t step = 0;
  for (; step + kLanes <= product.steps; step += kLanes) {
    const XTile& x = product.x[step / kLanes];
    multiply_step<Multiplier, kLower, kRight>(x, product.panel + step);
    read_ahead(product, x);
    beside(step);
  }
  if (step < product.steps) {
    multiply_last_steps<Multiplier, kLower, kRight>(product.x[step / kLanes], product.panel + step,
                                                    product.steps - step);
    beside(step);
  }
  _tile_stored(0, sums[0], kSumsStride);
  if constexpr (kRight) _tile_stored(1, sums[0] + kLanes, kSumsStride);
  if constexpr (kLower) _tile_stored(2, sums[kTileSide], kSumsStride);
  if constexpr (kLower && kRight) _tile_stored(3, sums[kTileSide] + kLanes, kSumsStride);
  asm volatile("" ::: "memory");
}

// sums (32, 32) = the product, or += it unless `first`. Tiles that do not count are left alone.
template <class Multiplier, class Beside>
void multiply_tiles(const TileProduct& product, bool first, Sums* sums, const Beside& beside) {
  if (product.lower) {
    product.right ? multiply_two_by_two<Multiplier, true, true>(product, first, sums, beside)
                  : multiply_two_by_two<Multiplier, true, false>(product, first, sums, beside);
  } else {
    product.right ? multiply_two_by_two<Multiplier, false, true>(product, first, sums, beside)
                  : multiply_two_by_two<Multiplier, false, false>(product, first, sums, beside);
  }
}

}  // namespace
}  // namespace lowp::kernels
