#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "kernels/runtime/cpu.h"
#include "kernels/runtime/parallel.h"
#include "kernels/runtime/workspace.h"

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

TEST(ThreadWorkspace, IsKeptUntilMoreIsAskedForAndEachThreadHasItsOwn) {
  std::byte* const small = thread_workspace(1000);
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small) % 64, 0U);
  std::memset(small, 1, 1000);
  EXPECT_EQ(thread_workspace(999), small);
  std::byte* const large = thread_workspace(1 << 20);
  ASSERT_NE(large, nullptr);
  std::memset(large, 2, 1 << 20);
  EXPECT_EQ(thread_workspace(1), large);
  std::byte* other = nullptr;
  std::thread([&] { other = thread_workspace(1000); }).join();
  EXPECT_NE(other, large);
  EXPECT_EQ(large[1000], std::byte{2});
}

}  // namespace
}  // namespace lowp::kernels
