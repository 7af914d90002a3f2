// Products of two by two tile registers. For level amx: GCC is not told what the loads of tiles
// read and their stores write, so that barriers keep other stores and loads on their side.
#pragma once

#include "kernels/linear_common/amx_tile_inl.h"
#include "kernels/linear_common/panel_parts_inl.h"

namespace lowp::kernels {
namespace {

using Sums = std::int32_t[kPanelColumns];  // of one row: int32, or fp32

// 32 rows of x times 32 columns, over some steps of both.
struct TileProduct {
  const std::int32_t* x;  // from the first step on; rows are kPanelSteps apart
  const PanelSteps* panel;
  std::int64_t steps;
  bool lower;  // whether more than 16 rows count
  bool right;  // whether more than 16 columns do
};

// Tile registers 0 to 3: sums of the upper rows' left and right columns, then of the lower rows';
// 4, 5: x, upper and lower rows; 6, 7: weight, left and right columns.
template <class Multiplier, bool kLower, bool kRight>
inline void multiply_step(const std::int32_t* x, std::int64_t x_row, const PanelSteps* panel) {
  constexpr std::int64_t kPanelStride = sizeof(PanelSteps);
  const std::int64_t x_stride = x_row * 4;
  _tile_loadd(6, panel[0], kPanelStride);
  _tile_loadd(4, x, x_stride);
  Multiplier::template multiply<0>();
  if constexpr (kRight) {
    _tile_loadd(7, panel[0] + kLanes, kPanelStride);
    Multiplier::template multiply<1>();
  }
  if constexpr (kLower) {
    _tile_loadd(5, x + kTileSide * x_row, x_stride);
    Multiplier::template multiply<2>();
    if constexpr (kRight) Multiplier::template multiply<3>();
  }
}

// Fewer than 16 steps, the others zero.
template <class Multiplier, bool kLower, bool kRight>
void multiply_last_steps(const std::int32_t* x, const PanelSteps* panel, std::int64_t steps) {
  alignas(64) std::int32_t x_part[kTileRows][kLanes];
  alignas(64) PanelSteps panel_part[kTileSide] = {};
  const Lanes lanes = first_lanes(steps);
  for (std::int64_t row = 0; row < (kLower ? kTileRows : kTileSide); ++row) {
    store_ints(x_part[row], load_ints(x + row * kPanelSteps, lanes));
  }
  std::memcpy(panel_part, panel, static_cast<std::size_t>(steps) * sizeof(PanelSteps));
  asm volatile("" ::: "memory");
  multiply_step<Multiplier, kLower, kRight>(x_part[0], kLanes, panel_part);
}

template <class Multiplier, bool kLower, bool kRight>
void multiply_two_by_two(const TileProduct& product, bool first, Sums* sums) {
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
    multiply_step<Multiplier, kLower, kRight>(product.x + step, kPanelSteps, product.panel + step);
  }
  if (step < product.steps) {
    multiply_last_steps<Multiplier, kLower, kRight>(product.x + step, product.panel + step,
                                                    product.steps - step);
  }
  _tile_stored(0, sums[0], kSumsStride);
  if constexpr (kRight) _tile_stored(1, sums[0] + kLanes, kSumsStride);
  if constexpr (kLower) _tile_stored(2, sums[kTileSide], kSumsStride);
  if constexpr (kLower && kRight) _tile_stored(3, sums[kTileSide] + kLanes, kSumsStride);
  asm volatile("" ::: "memory");
}

// sums (32, 32) = the product, or += it unless `first`. Tiles that do not count are left alone.
template <class Multiplier>
void multiply_tiles(const TileProduct& product, bool first, Sums* sums) {
  if (product.lower) {
    product.right ? multiply_two_by_two<Multiplier, true, true>(product, first, sums)
                  : multiply_two_by_two<Multiplier, true, false>(product, first, sums);
  } else {
    product.right ? multiply_two_by_two<Multiplier, false, true>(product, first, sums)
                  : multiply_two_by_two<Multiplier, false, false>(product, first, sums);
  }
}

}  // namespace
}  // namespace lowp::kernels
