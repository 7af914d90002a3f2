// Groups of many rows go one after the other, each on all threads. The others are cut into columns
// and shared out by what they cost: with some rows an expert, as in decoding, reading the weights
// is all there is to do, and no single one of them would occupy the threads.
#include "kernels/grouped_linear/grouped_linear.h"

#include <algorithm>
#include <cstring>

#include "kernels/grouped_linear/parts.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kManyRows = 256;
// Columns that go together: whole groups of rows of the weight for the kernels, and of 128x128
// scales.
constexpr std::int64_t kUnit = 128;
constexpr std::int64_t kReading =
    8;  // rows of x whose products take as long as the weight's reading
constexpr std::int64_t kWorthAThread = 1 << 20;  // multiply-adds: some 10 us

template <class Args>
std::int64_t columns_of_x(const Args& args) {
  if constexpr (requires { args.k; }) {
    return args.k;
  } else {
    return args.x.cols;
  }
}

// With blocks as wide as K, a part as high as a block would count as scaled by the tensor.
template <class Args>
std::int64_t unit_of(const Args& args) {
  if constexpr (requires { args.weight_block; }) {
    const Block block = args.weight_block;
    const bool one_across = block.cols >= columns_of_x(args);
    if (one_across && block.rows > 1 && block.rows < args.out.cols) return args.out.cols;
  }
  return kUnit;
}

// Calls body(expert, first row, rows) for the groups that have rows.
template <class Body>
void for_each_group(const RowGroups& groups, const Body& body) {
  std::int64_t begin = 0;
  for (std::int64_t expert = 0; expert < groups.count; ++expert) {
    const std::int64_t end = groups.ends[expert];
    if (begin < end) body(expert, begin, end - begin);
    begin = end;
  }
}

void clear_rows(const MutableMatrix& out, std::int64_t begin) {
  const std::int64_t size = bits(out.dtype) / 8;
  for (std::int64_t row = begin; row < out.rows; ++row) {
    auto* to = static_cast<std::byte*>(out.data) + row * out.stride * size;
    std::memset(to, 0, static_cast<std::size_t>(out.cols * size));
  }
}

template <class Args>
void run(const Args& args, const RowGroups& groups, void (*linear)(const Args&)) {
  clear_rows(args.out, groups.count == 0 ? 0 : groups.ends[groups.count - 1]);
  const std::int64_t n = args.out.cols;
  if (n == 0) return;
  const std::int64_t unit = unit_of(args);
  const std::int64_t units = (n + unit - 1) / unit;
  std::int64_t shared = 0;  // costs, of a unit's columns for one row of x
  for_each_group(groups, [&](std::int64_t expert, std::int64_t row, std::int64_t rows) {
    if (rows >= kManyRows) {
      linear(part_of(args, {expert, row, rows, 0, n, expert * n, args.parallel}));
    } else {
      shared += units * (rows + kReading);
    }
  });

  // A unit belongs to the range in which its costs begin.
  const auto share = [&](std::int64_t begin, std::int64_t end) {
    std::int64_t at = 0;
    for_each_group(groups, [&](std::int64_t expert, std::int64_t row, std::int64_t rows) {
      if (rows >= kManyRows) return;
      const std::int64_t cost = rows + kReading;
      const auto units_before = [&](std::int64_t costs) {
        const std::int64_t before = costs <= at ? 0 : (costs - at + cost - 1) / cost;
        return std::min(before, units);
      };
      const std::int64_t column = units_before(begin) * unit;
      const std::int64_t columns = std::min(units_before(end) * unit, n) - column;
      if (columns > 0) {
        linear(part_of(args, {expert, row, rows, column, columns, expert * n + column, nullptr}));
      }
      at += units * cost;
    });
  };
  const std::int64_t of_a_cost = unit * (columns_of_x(args) + 1);
  parallel_for(args.parallel, shared, (kWorthAThread + of_a_cost - 1) / of_a_cost, share);
}

}  // namespace

void grouped_linear(const LinearBf16Args& args, const RowGroups& groups) {
  run(args, groups, linear_bf16);
}
void grouped_linear(const LinearW8A8Args& args, const RowGroups& groups) {
  run(args, groups, linear_w8a8);
}
void grouped_linear(const LinearW8A16Args& args, const RowGroups& groups) {
  run(args, groups, linear_w8a16);
}
void grouped_linear(const LinearW4A8Args& args, const RowGroups& groups) {
  run(args, groups, linear_w4a8);
}
void grouped_linear(const LinearW4A16Args& args, const RowGroups& groups) {
  run(args, groups, linear_w4a16);
}
void grouped_linear(const LinearFp8Args& args, const RowGroups& groups) {
  run(args, groups, linear_fp8);
}
void grouped_linear(const LinearFp8WeightOnlyArgs& args, const RowGroups& groups) {
  run(args, groups, linear_fp8_weight_only);
}
void grouped_linear(const LinearMxfp8Args& args, const RowGroups& groups) {
  run(args, groups, linear_mxfp8);
}
void grouped_linear(const LinearMxfp8WeightOnlyArgs& args, const RowGroups& groups) {
  run(args, groups, linear_mxfp8_weight_only);
}
void grouped_linear(const LinearMxfp6Args& args, const RowGroups& groups) {
  run(args, groups, linear_mxfp6);
}
void grouped_linear(const LinearMxfp4Args& args, const RowGroups& groups) {
  run(args, groups, linear_mxfp4);
}
void grouped_linear(const LinearNvfp4Args& args, const RowGroups& groups) {
  run(args, groups, linear_nvfp4);
}

}  // namespace lowp::kernels
