#pragma once

#include <torch/types.h>

#include "lowp/models/config.h"

namespace lowp::models {

// The angles of rotary embedding for a run of positions: cos and sin are (positions, head_dim / 2)
// fp32.
struct Rotation {
  torch::Tensor cos;
  torch::Tensor sin;
  // (1) int64, or undefined. If there is one, the run begins there, cos and sin are tables of all
  // positions, and keys and values go to the same place of their caches.
  torch::Tensor position;
};

// cos and sin of position * frequency, made for as many positions as were ever asked for.
class RotaryTable {
 public:
  RotaryTable(const Rope& rope, std::int64_t head_dim);

  // Positions begin to begin + count - 1, on `device`.
  Rotation rows(std::int64_t begin, std::int64_t count, torch::Device device);

 private:
  void grow(std::int64_t positions);

  torch::Tensor frequencies_;  // (head_dim / 2) fp32
  Rotation table_;
};

}  // namespace lowp::models
