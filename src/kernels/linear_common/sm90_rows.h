#pragma once

#include "kernels/linear_common/cuda_linear.h"

namespace lowp::kernels {

// The rows of x that linear_rows_sm90 takes.
constexpr std::int64_t kMostRowsSm90 = 128;

// The linear layer for 1 to kMostRowsSm90 rows of activations, on Hopper: the weight is read once.
// What rows_are_fast (cuda_rows.h) says of the arguments must hold. No workspace. Launches a
// kernel; returns nullptr or the error's text.
const char* linear_rows_sm90(const CudaLinearArgs& args);

}  // namespace lowp::kernels
