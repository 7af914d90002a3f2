// Weights and scales that pack_weight and pack_scale made, as arguments of the linear operators: a
// packed weight has four dimensions, its scales three.
#pragma once

#include "ops/linear.h"

namespace lowp::ops {

inline bool is_packed(const Tensor& weight) { return weight.dim() == 4; }

// As check_weight, of (N, bytes) or packed (N / 8, bytes / 4, 8, 4).
WeightShape check_packable_weight(const Argument& weight, ScalarType dtype,
                                  std::int64_t values_a_byte);

// As check_block_scale, of (N, K / block) or, with a packed weight, (N / 8, K / block, 8).
void check_packable_block_scale(const Argument& scale, ScalarType dtype, WeightShape weight,
                                std::int64_t block, std::int64_t experts, bool packed);

}  // namespace lowp::ops
