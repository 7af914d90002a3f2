#pragma once

#include <cstdint>

namespace lowp::kernels {

// Weights that a thread takes at least where x has few rows: one to three microseconds of work, as
// long as a loop on 14 threads takes to begin and end.
constexpr std::int64_t kFewRowsGrain = 1 << 15;

}  // namespace lowp::kernels
