// Hopper's copy engine (TMA): tiles between a tensor map's tensor and shared memory. Coordinates
// are in elements, innermost dimension first. One thread issues a copy. Maps come from
// sm90_tensor_map.h, are passed by value as a __grid_constant__ parameter and named here by their
// address.
#pragma once

#include <cuda.h>

#include "kernels/runtime/sm90_inl.cuh"

namespace lowp::kernels::sm90 {
namespace {

// What the L2 keeps.
enum class CacheHint : std::uint64_t {
  kNormal = 0x1000000000000000,
  kEvictFirst = 0x12F0000000000000,
  kEvictLast = 0x14F0000000000000,
};

__device__ inline void prefetch_tensor_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// Loads complete on `barrier` of this block, which expects the tile's bytes; what lies outside of
// the tensor arrives as zeros and counts.
__device__ inline void tma_load(unsigned destination, const CUtensorMap* map, unsigned barrier,
                                int x, int y, CacheHint hint = CacheHint::kNormal) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".L2::cache_hint [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "l"(static_cast<std::uint64_t>(hint))
      : "memory");
}

__device__ inline void tma_load(unsigned destination, const CUtensorMap* map, unsigned barrier,
                                int x, int y, int z, CacheHint hint = CacheHint::kNormal) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".L2::cache_hint [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "l"(static_cast<std::uint64_t>(hint))
      : "memory");
}

// To every block of the cluster whose bit is set in `blocks`, at the same address, each told by its
// own barrier at the same address.
__device__ inline void tma_load_multicast(unsigned destination, const CUtensorMap* map,
                                          unsigned barrier, int x, int y, std::uint16_t blocks,
                                          CacheHint hint = CacheHint::kNormal) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".multicast::cluster.L2::cache_hint [%0], [%1, {%3, %4}], [%2], %5, %6;" ::"r"(destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "h"(blocks), "l"(static_cast<std::uint64_t>(hint))
      : "memory");
}

__device__ inline void tma_load_multicast(unsigned destination, const CUtensorMap* map,
                                          unsigned barrier, int x, int y, int z,
                                          std::uint16_t blocks,
                                          CacheHint hint = CacheHint::kNormal) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".multicast::cluster.L2::cache_hint [%0], [%1, {%3, %4, %5}], [%2], %6, %7;" ::"r"(
          destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "h"(blocks),
      "l"(static_cast<std::uint64_t>(hint))
      : "memory");
}

// `bytes` as they lie in memory: a multiple of 16, both ends aligned to 16.
__device__ inline void bulk_load(unsigned destination, const void* source, unsigned bytes,
                                 unsigned barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(destination),
      "l"(source), "r"(bytes), "r"(barrier)
      : "memory");
}

// Stores: the tile's part inside of the tensor is written. The writers of the tile fence
// (fence_async_shared) and meet at a barrier first; the issuing thread commits its stores as a
// group.
__device__ inline void tma_store(const CUtensorMap* map, unsigned source, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
      "r"(source), "r"(x), "r"(y)
      : "memory");
}

__device__ inline void tma_store(const CUtensorMap* map, unsigned source, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(
          map),
      "r"(source), "r"(x), "r"(y), "r"(z)
      : "memory");
}

__device__ inline void tma_store_commit() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

// Until at most kGroups of this thread's groups still read shared memory.
template <int kGroups>
__device__ void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kGroups) : "memory");
}

// Until at most kGroups of this thread's groups are not yet in global memory.
template <int kGroups>
__device__ void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kGroups) : "memory");
}

}  // namespace
}  // namespace lowp::kernels::sm90
