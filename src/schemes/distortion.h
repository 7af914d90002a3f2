// What quantization did to a weight.
#pragma once

#include <cstdint>

#include "kernels/runtime/matrix.h"
#include "schemes/quantized_weight.h"

namespace lowp {

// Sums over the finite elements; parts of a weight add up.
struct Distortion {
  double signal = 0;  // sum of x^2
  double noise = 0;   // sum of (x - dequantized)^2
  double max_error = 0;
  std::int64_t count = 0;  // all elements
  std::int64_t clipped =
      0;                   // beyond the largest code: |error| above half a step at the range's end
  std::int64_t zeros = 0;  // not 0 before, 0 after
  std::int64_t non_finite = 0;  // NaN or Inf before quantization
  std::int64_t bad_values = 0;  // finite before, NaN or Inf after

  Distortion& operator+=(const Distortion& other);
  double sqnr_db() const;         // 10 log10(signal / noise); infinite if there is no noise
  double relative_error() const;  // sqrt(noise / signal); 0 if there is no noise
  double clipped_share() const;
  double zero_share() const;
};

// Dequantizes a few rows at a time: needs no copy of the weight. The same for any machine.
Distortion distortion(const QuantizedWeight& quantized, const kernels::Matrix& original);

}  // namespace lowp
