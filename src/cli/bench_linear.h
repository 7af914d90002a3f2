// Times every implementation of the linear operations on random operands.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/parallel.h"

namespace lowp::cli {

struct LinearShape {
  std::int64_t m;  // rows of the activations
  std::int64_t n;  // output features
  std::int64_t k;  // input features
};

struct LinearTiming {
  std::string implementation;
  bool chosen;                // what a call with these arguments runs
  double seconds;             // one call: median of the repetitions
  std::int64_t weight_bytes;  // codes and scales
};

struct LinearBenchOptions {
  double seconds;           // time spent on each implementation
  std::int64_t cold_bytes;  // weights are rotated over this much memory, so that none is in a cache
  bool all_implementations;  // or only the chosen one
  const kernels::ParallelFor* parallel;
};

// The operations by the names of their folders, without `linear_`: bf16, w8a8, w8a16, ...; of wna16
// and wna8 with each number of bits.
std::span<const std::string_view> linear_operations();

// group_size is for weights of 1 to 7 bits. Throws lowp::Error if there is no such operation.
std::vector<LinearTiming> time_linear(std::string_view operation, const LinearShape& shape,
                                      std::int64_t group_size, const LinearBenchOptions& options);

}  // namespace lowp::cli
