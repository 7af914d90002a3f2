// What this machine could do: arithmetic and reading of memory, with the threads of a run.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/runtime/parallel.h"

namespace lowp::cli {

struct MeasuredLimit {
  std::string_view name;  // type and level: "int8_amx"
  double operations_per_second;
};

struct MachineLimits {
  double read_bytes_per_second;
  std::vector<MeasuredLimit> arithmetic;  // of the levels this machine has
};

// Reads `cold_bytes` of memory, which no cache should hold. Takes some 0.2 seconds.
MachineLimits measure_limits(std::int64_t cold_bytes, const kernels::ParallelFor* parallel);

// The limit of an implementation's products, 0 where there is none: `w8a8` on `amx` has int8_amx.
double arithmetic_limit(const MachineLimits& limits, std::string_view operation,
                        std::string_view implementation);

}  // namespace lowp::cli
