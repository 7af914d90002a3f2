#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "kernels/runtime/cpu.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {
namespace {

TEST(Cpu, LevelsHaveTheNamesThatLowpIsaTakes) {
  EXPECT_STREQ(name(Isa::kScalar), "scalar");
  EXPECT_STREQ(name(Isa::kAmx), "amx");
  EXPECT_LE(machine_isa(), Isa::kAmx);
}

TEST(ParallelFor, WithoutAPoolRunsTheWholeRangeOnce) {
  std::vector<int> hits(17, 0);
  parallel_for(nullptr, 17, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++hits[i];
  });
  EXPECT_EQ(hits, std::vector<int>(17, 1));
  EXPECT_EQ(threads_of(nullptr), 1);
}

}  // namespace
}  // namespace lowp::kernels
