// Arithmetic of sizes. Internal linkage: each file keeps its own copy under its own flags.
#pragma once

#include <cstdint>

namespace lowp::kernels {
namespace {

inline std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Numbers of groups that lie as (N, groups): convert(at, count, values) makes `count` of them, from
// element `at` on. All groups of several rows are one piece.
template <class Convert>
void convert_groups(std::int64_t groups, std::int64_t n, std::int64_t rows, std::int64_t group,
                    std::int64_t count, float* values, const Convert& convert) {
  if (count == groups) {
    convert(n * groups, rows * groups, values);
    return;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    convert((n + row) * groups + group, count, values + row * count);
  }
}

}  // namespace
}  // namespace lowp::kernels
