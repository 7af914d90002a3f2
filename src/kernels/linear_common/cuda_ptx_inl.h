// The instructions of Ampere and later that the kernels for few rows use, one function each.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace lowp::kernels {
namespace {

__device__ inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// 16 bytes to shared memory past the L1 cache, and 4 through it; the bytes behind `bytes` are zero.
__device__ inline void copy_16_async(unsigned shared, const void* global, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared), "l"(global),
               "r"(bytes)
               : "memory");
}
__device__ inline void copy_4_async(unsigned shared, const void* global, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared), "l"(global),
               "r"(bytes)
               : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Until at most kPending of this thread's latest groups are under way.
template <int kPending>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

__device__ inline uint4 load_shared_16(unsigned address) {
  uint4 value;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "r"(address)
               : "memory");
  return value;
}
__device__ inline unsigned load_shared_4(unsigned address) {
  unsigned value;
  asm volatile("ld.shared.u32 %0, [%1];\n" : "=r"(value) : "r"(address) : "memory");
  return value;
}
__device__ inline unsigned load_shared_2(unsigned address) {
  unsigned short value;
  asm volatile("ld.shared.u16 %0, [%1];\n" : "=h"(value) : "r"(address) : "memory");
  return value;
}
__device__ inline unsigned load_shared_1(unsigned address) {
  unsigned value;
  asm volatile("ld.shared.u8 %0, [%1];\n" : "=r"(value) : "r"(address) : "memory");
  return value;
}

// One multiprocessor's part of a cluster, before Hopper always alone.
__device__ inline void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n" ::
          : "memory");
#endif
}
// A float at `address` of this block's shared memory, in that of block `rank` of the cluster.
__device__ inline float load_from_block(unsigned address, unsigned rank) {
  float value = 0.0F;
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n .reg .u32 remote;\n"
      " mapa.shared::cluster.u32 remote, %1, %2;\n"
      " ld.shared::cluster.f32 %0, [remote];\n}\n"
      : "=f"(value)
      : "r"(address), "r"(rank)
      : "memory");
#endif
  return value;
}

// (a & mask) ^ flip, and (a & mask) | b.
template <unsigned kMask>
__device__ unsigned and_xor(unsigned a, unsigned flip) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6A;\n" : "=r"(result) : "r"(a), "n"(kMask), "r"(flip));
  return result;
}
template <unsigned kMask>
__device__ unsigned and_or(unsigned a, unsigned b) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;\n" : "=r"(result) : "r"(a), "n"(kMask), "r"(b));
  return result;
}

// bf16 and fp16 in pairs: what the kernels need of each.
struct Bf16Pair {
  static constexpr unsigned kOne = 0x3F803F80;
  static constexpr unsigned kNegativeZero = 0x80008000;

  __device__ static unsigned fma(unsigned a, unsigned b, unsigned c) {
    unsigned result;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;\n" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
  }
  // sum (16, 8) += a (16, 16) b (16, 8), the fragments of mma.m16n8k16.
  __device__ static void multiply_add(float (&sum)[4], const unsigned (&a)[4], unsigned b0,
                                      unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  __device__ static unsigned from_floats(float low, float high) {
    unsigned result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(result) : "f"(high), "f"(low));
    return result;
  }
  __device__ static unsigned twice(float value) { return from_floats(value, value); }
  __device__ static float to_float(std::uint16_t bits) {
    return __uint_as_float(static_cast<unsigned>(bits) << 16);
  }
};

struct Fp16Pair {
  static constexpr unsigned kOne = 0x3C003C00;
  static constexpr unsigned kNegativeZero = 0x80008000;

  __device__ static unsigned fma(unsigned a, unsigned b, unsigned c) {
    unsigned result;
    asm("fma.rn.f16x2 %0, %1, %2, %3;\n" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
  }
  __device__ static void multiply_add(float (&sum)[4], const unsigned (&a)[4], unsigned b0,
                                      unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  __device__ static unsigned from_floats(float low, float high) {
    unsigned result;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;\n" : "=r"(result) : "f"(high), "f"(low));
    return result;
  }
  __device__ static unsigned twice(float value) { return from_floats(value, value); }
  __device__ static float to_float(std::uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
  }
};

template <class X>
__device__ unsigned multiply(unsigned a, unsigned b) {
  return X::fma(a, b, X::kNegativeZero);
}

}  // namespace
}  // namespace lowp::kernels
