// Shapes of quantize_fp8_both, the same on every device.
#pragma once

#include <array>

#include "ops/fp8.h"

namespace lowp::ops {

struct BothShapes {
  std::array<std::int64_t, 2> block_sizes;
  std::int64_t groups;    // of a row
  std::int64_t groups_t;  // of a column

  Shape block() const { return {block_sizes.data(), block_sizes.size()}; }
};

inline BothShapes check_both(const char* operation, std::int64_t rows, std::int64_t cols,
                             std::int64_t group_size) {
  if (group_size != -1 && group_size != 128) {
    fail(operation, "group_size is not known", std::to_string(group_size),
         "128, or -1 for whole rows and columns");
  }
  const auto groups = [&](std::int64_t extent) {
    return group_size == -1 ? std::int64_t{extent > 0} : ceil_div(extent, group_size);
  };
  return {{1, group_size}, groups(cols), groups(rows)};
}

}  // namespace lowp::ops
