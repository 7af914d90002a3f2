// The sums of groups, scaled on their way into the block's. For level amx.
#pragma once

#include "kernels/linear_common/amx_products_inl.h"

namespace lowp::kernels {
namespace {

// What the sums of a group are multiplied with and what is added to them.
struct GroupScaling {
  const float* scales;         // (kPanelColumns)
  const float* zeros;          // (kPanelColumns), or nullptr
  const float* offsets;        // (kPanelColumns), or nullptr
  const float* x_sums;         // (rows), with zeros or offsets
  const float* x_group_scale;  // rows x_groups apart, or nullptr
  std::int64_t x_groups;
};

// A group's sums on their way: `partial` (32, 32) is to be added to `sums`.
struct GroupSums {
  GroupScaling scaling;
  std::int64_t rows;
  std::int64_t vectors;  // of columns, 1 or 2
  const Sums* partial;
  Sums* sums;
};

// sums += partial * scale
template <class Multiplier, int kVectors>
void add_scaled(const GroupSums& group, std::int64_t begin, std::int64_t end) {
  Floats scale[kVectors];
  for (int v = 0; v < kVectors; ++v) scale[v] = load_floats(group.scaling.scales + v * kLanes);
#pragma GCC unroll 4
  for (std::int64_t row = begin; row < end; ++row) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const Floats product = Multiplier::to_fp32(load_ints(group.partial[row] + v * kLanes));
      std::int32_t* sum = group.sums[row] + v * kLanes;
      store_floats(sum, multiply_add(product, scale[v], load_floats(sum)));
    }
  }
}

// sums += (partial (+ offset * x_sum)) * scale (* x_group_scale) (+ zero * x_sum)
template <class Multiplier>
void add_shifted(const GroupSums& group, std::int64_t begin, std::int64_t end) {
  const GroupScaling& scaling = group.scaling;
  for (std::int64_t row = begin; row < end; ++row) {
    const bool shifted = scaling.zeros != nullptr || scaling.offsets != nullptr;
    const Floats x_sum = broadcast(shifted ? scaling.x_sums[row] : 0.0F);
    const Floats x_scale = broadcast(
        scaling.x_group_scale == nullptr ? 1.0F : scaling.x_group_scale[row * scaling.x_groups]);
    for (std::int64_t i = 0; i < group.vectors * kLanes; i += kLanes) {
      Floats product = Multiplier::to_fp32(load_ints(group.partial[row] + i));
      if (scaling.offsets != nullptr) {
        product = multiply_add(load_floats(scaling.offsets + i), x_sum, product);
      }
      const Floats scale = multiply(load_floats(scaling.scales + i), x_scale);
      Floats sum = multiply_add(product, scale, load_floats(group.sums[row] + i));
      if (scaling.zeros != nullptr) sum = multiply_add(load_floats(scaling.zeros + i), x_sum, sum);
      store_floats(group.sums[row] + i, sum);
    }
  }
}

// Rows [begin, end) of the 32, as far as they count.
template <class Multiplier>
void add_group(const GroupSums& group, std::int64_t begin, std::int64_t end) {
  const GroupScaling& scaling = group.scaling;
  end = smaller(end, group.rows);
  if (begin >= end) return;
  if (scaling.zeros != nullptr || scaling.offsets != nullptr || scaling.x_group_scale != nullptr) {
    add_shifted<Multiplier>(group, begin, end);
  } else if (group.vectors == 2) {
    add_scaled<Multiplier, 2>(group, begin, end);
  } else {
    add_scaled<Multiplier, 1>(group, begin, end);
  }
}

// partial = the product, while the sums of the group before it, if there are any, are added.
template <class Multiplier>
void multiply_group(const TileProduct& product, const GroupSums& before, Sums* partial) {
  const std::int64_t rows = ceil_div(kTileRows, ceil_div(product.steps, kLanes));
  multiply_tiles<Multiplier>(product, true, partial, [&](std::int64_t step) {
    const std::int64_t row = step / kLanes * rows;
    add_group<Multiplier>(before, row, row + rows);
  });
}

}  // namespace
}  // namespace lowp::kernels
