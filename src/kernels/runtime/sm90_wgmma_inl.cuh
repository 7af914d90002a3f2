// Hopper's tensor cores (wgmma): D (64, N) += A (64, K) B (N, K)^T, issued by a warpgroup, K 32
// bytes wide. B lies in shared memory, A there or in registers, both with k innermost.
//
//   wgmma_fence();
//   for each 32 bytes of k: wgmma(E4m3E4m3{}, d, descriptor_a, descriptor_b, accumulate);
//   wgmma_commit();
//   wgmma_wait<0>();
//
// Accumulators: thread t of the warpgroup has of row 16 * (t / 32) + (t % 32) / 4 + 8 * h, column
// 8 * j + 2 * (t % 4) + c the element d[4 * j + 2 * h + c], c and h in {0, 1}, j < N / 8.
#pragma once

#include <cstdint>

#include "kernels/runtime/sm90_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

// Operands A and B.
struct Bf16Bf16 {};  // K = 16, fp32 accumulators
struct Fp16Fp16 {};
struct E4m3E4m3 {};  // K = 32, fp32 accumulators
struct E4m3E5m2 {};
struct E5m2E4m3 {};
struct E5m2E5m2 {};
struct S8S8 {};  // K = 32, int32 accumulators

// Rows of 128 bytes as the copy engine's 128-byte swizzle lays them: 16-byte chunk c of row r at
// chunk c ^ (r % 8), groups of 8 rows 1024 bytes apart, aligned to 1024. The next 32 bytes of k are
// at descriptor + 2; 64 rows further on at + 512.
__device__ constexpr std::uint64_t descriptor_128b(unsigned address) {
  constexpr std::uint64_t kSwizzle128b = std::uint64_t{1} << 62;
  constexpr std::uint64_t kEightRows = std::uint64_t{1024 >> 4} << 32;
  constexpr std::uint64_t kUnused = std::uint64_t{1} << 16;
  return kSwizzle128b | kEightRows | kUnused | ((address & 0x3FFFF) >> 4);
}

// Orders the registers and shared memory written before with the wgmma that follow.
__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ inline void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Until at most kGroups committed groups are unfinished.
template <int kGroups>
__device__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}

// Keeps the compiler from moving uses of the accumulators across: before a group and after its
// wait.
template <int kCount>
__device__ void pin_accumulators(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
template <int kCount>
__device__ void pin_accumulators(std::int32_t (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(d[i])::"memory");
}

// The instruction needs its accumulators spelled out: lists of operand names (8 a line) and of
// operands, by doubling.
#define LOWP_NAMES_4 "%0, %1, %2, %3"
#define LOWP_NAMES_8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define LOWP_NAMES_16 LOWP_NAMES_8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define LOWP_NAMES_32                        \
  LOWP_NAMES_16                              \
  ", %16, %17, %18, %19, %20, %21, %22, %23" \
  ", %24, %25, %26, %27, %28, %29, %30, %31"
#define LOWP_NAMES_48                        \
  LOWP_NAMES_32                              \
  ", %32, %33, %34, %35, %36, %37, %38, %39" \
  ", %40, %41, %42, %43, %44, %45, %46, %47"
#define LOWP_NAMES_64                        \
  LOWP_NAMES_48                              \
  ", %48, %49, %50, %51, %52, %53, %54, %55" \
  ", %56, %57, %58, %59, %60, %61, %62, %63"
#define LOWP_NAMES_96                        \
  LOWP_NAMES_64                              \
  ", %64, %65, %66, %67, %68, %69, %70, %71" \
  ", %72, %73, %74, %75, %76, %77, %78, %79" \
  ", %80, %81, %82, %83, %84, %85, %86, %87" \
  ", %88, %89, %90, %91, %92, %93, %94, %95"
#define LOWP_NAMES_128                               \
  LOWP_NAMES_96                                      \
  ", %96, %97, %98, %99, %100, %101, %102, %103"     \
  ", %104, %105, %106, %107, %108, %109, %110, %111" \
  ", %112, %113, %114, %115, %116, %117, %118, %119" \
  ", %120, %121, %122, %123, %124, %125, %126, %127"

#define LOWP_ITEMS_4(c, i) c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3])
#define LOWP_ITEMS_8(c, i) LOWP_ITEMS_4(c, i), LOWP_ITEMS_4(c, i + 4)
#define LOWP_ITEMS_16(c, i) LOWP_ITEMS_8(c, i), LOWP_ITEMS_8(c, i + 8)
#define LOWP_ITEMS_32(c, i) LOWP_ITEMS_16(c, i), LOWP_ITEMS_16(c, i + 16)
#define LOWP_ITEMS_48(c, i) LOWP_ITEMS_32(c, i), LOWP_ITEMS_16(c, i + 32)
#define LOWP_ITEMS_64(c, i) LOWP_ITEMS_32(c, i), LOWP_ITEMS_32(c, i + 32)
#define LOWP_ITEMS_96(c, i) LOWP_ITEMS_64(c, i), LOWP_ITEMS_32(c, i + 64)
#define LOWP_ITEMS_128(c, i) LOWP_ITEMS_64(c, i), LOWP_ITEMS_64(c, i + 64)

// One operand pair and one N: `count` accumulators of type `type`, constraint `c`; p0 to p5 are the
// names of the operands behind them. The immediates that end the instruction are `tail`, and one
// less transposition where A is in registers.
#define LOWP_WGMMA(operands, type, c, shape, tail, tail_registers, count, p0, p1, p2, p3, p4, p5) \
  __device__ inline void wgmma(operands, type(&d)[count], std::uint64_t a, std::uint64_t b,       \
                               bool accumulate) {                                                 \
    asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " p2                                         \
                 ", 0;\n wgmma.mma_async.sync.aligned." shape " {" LOWP_NAMES_##count             \
                 "}, " p0 ", " p1 ", p" tail ";\n}\n"                                             \
                 : LOWP_ITEMS_##count(c, 0)                                                       \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));                            \
  }                                                                                               \
  __device__ inline void wgmma(operands, type(&d)[count], const unsigned(&a)[4], std::uint64_t b, \
                               bool accumulate) {                                                 \
    asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " p5                                         \
                 ", 0;\n wgmma.mma_async.sync.aligned." shape " {" LOWP_NAMES_##count             \
                 "}, {" p0 ", " p1 ", " p2 ", " p3 "}, " p4 ", p" tail_registers ";\n}\n"         \
                 : LOWP_ITEMS_##count(c, 0)                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                            \
                   "r"(static_cast<int>(accumulate)));                                            \
  }

#define LOWP_WGMMA_16BIT(operands, name, n, ...)                                            \
  LOWP_WGMMA(operands, float, "+f", "m64n" #n "k16.f32." name, ", 1, 1, 0, 0", ", 1, 1, 0", \
             __VA_ARGS__)
#define LOWP_WGMMA_FP8(operands, name, n, ...) \
  LOWP_WGMMA(operands, float, "+f", "m64n" #n "k32.f32." name, ", 1, 1", ", 1, 1", __VA_ARGS__)
#define LOWP_WGMMA_S8(n, ...) \
  LOWP_WGMMA(S8S8, std::int32_t, "+r", "m64n" #n "k32.s32.s8.s8", "", "", __VA_ARGS__)

// Every operand pair of one N.
#define LOWP_WGMMA_N(n, ...)                              \
  LOWP_WGMMA_16BIT(Bf16Bf16, "bf16.bf16", n, __VA_ARGS__) \
  LOWP_WGMMA_16BIT(Fp16Fp16, "f16.f16", n, __VA_ARGS__)   \
  LOWP_WGMMA_FP8(E4m3E4m3, "e4m3.e4m3", n, __VA_ARGS__)   \
  LOWP_WGMMA_FP8(E4m3E5m2, "e4m3.e5m2", n, __VA_ARGS__)   \
  LOWP_WGMMA_FP8(E5m2E4m3, "e5m2.e4m3", n, __VA_ARGS__)   \
  LOWP_WGMMA_FP8(E5m2E5m2, "e5m2.e5m2", n, __VA_ARGS__)   \
  LOWP_WGMMA_S8(n, __VA_ARGS__)

LOWP_WGMMA_N(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
LOWP_WGMMA_N(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
LOWP_WGMMA_N(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
LOWP_WGMMA_N(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
LOWP_WGMMA_N(96, 48, "%48", "%49", "%50", "%51", "%52", "%53")
LOWP_WGMMA_N(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
LOWP_WGMMA_N(192, 96, "%96", "%97", "%98", "%99", "%100", "%101")
LOWP_WGMMA_N(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")

#undef LOWP_WGMMA_N
#undef LOWP_WGMMA_S8
#undef LOWP_WGMMA_FP8
#undef LOWP_WGMMA_16BIT
#undef LOWP_WGMMA

}  // namespace
}  // namespace lowp::kernels::sm90
