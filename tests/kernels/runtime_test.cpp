#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "kernels/runtime/cpu.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {
namespace {

TEST(Cpu, LevelsHaveTheNamesThatLowpIsaTakes) {
  EXPECT_STREQ(name(Isa::kScalar), "scalar");
  EXPECT_STREQ(name(Isa::kAvx2), "avx2");
  EXPECT_STREQ(name(Isa::kAvxVnni), "avx_vnni");
  EXPECT_STREQ(name(Isa::kAvx512), "avx512");
  EXPECT_STREQ(name(Isa::kAmx), "amx");
}

TEST(Cpu, LevelsIncludeTheOnesBeforeThemExceptAvxVnni) {
  EXPECT_TRUE(available(Isa::kScalar));
  EXPECT_TRUE(available(machine_isa()));
  for (int i = 1; i <= static_cast<int>(Isa::kAmx); ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!available(isa)) continue;
    EXPECT_LE(isa, machine_isa());
    for (int before = 0; before < i; ++before) {
      const Isa other = static_cast<Isa>(before);
      EXPECT_TRUE(other == Isa::kAvxVnni || available(other)) << name(isa) << ", " << name(other);
    }
  }
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
