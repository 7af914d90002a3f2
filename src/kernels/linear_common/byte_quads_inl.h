// The multipliers of panels_inl.h for levels that have vpdpbusd: four products of bytes a lane.
// Such a level defines dot(sum, unsigned bytes, signed bytes) first.
#pragma once

#include <cstdint>

namespace lowp::kernels {
namespace {

// Unsigned codes of a weight in groups times int8 activations.
struct ByteQuads {
  using Sum = Int32s;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) { return dot(sum, weight, x); }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(reinterpret_cast<Ints>(dot(Int32s{}, broadcast(0x01010101), x))));
  }
};

// Unsigned codes of x times int8 weights.
struct Int8Quads {
  using Sum = Int32s;
  static constexpr bool kInteger = true;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) { return dot(sum, x, weight); }
};

}  // namespace
}  // namespace lowp::kernels
