// Hopper's synchronization, for kernels of sm_90a: barriers in shared memory, clusters, register
// budgets, proxy fences. Shared memory is named by its 32-bit address. TMA is in sm90_tma_inl.cuh,
// the tensor cores in sm90_wgmma_inl.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace lowp::kernels::sm90 {
namespace {

constexpr unsigned kWarpgroup = 128;  // threads that issue one wgmma together

__device__ inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// The same address in the shared memory of another block of the cluster.
__device__ inline unsigned map_to_block(unsigned address, unsigned rank) {
  unsigned mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}

// One thread of a converged warp: true in it, false in the others.
__device__ inline bool elect_one() {
  unsigned elected;
  asm volatile("{\n .reg .pred p;\n elect.sync _|p, 0xFFFFFFFF;\n selp.b32 %0, 1, 0, p;\n}\n"
               : "=r"(elected)::"memory");
  return elected != 0;
}

// --- barriers in shared memory (mbarrier, 8 bytes each) ---

__device__ inline void barrier_init(unsigned barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals));
}

// Makes initialized barriers visible to the copy engine and to the cluster's other blocks.
__device__ inline void barrier_init_fence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void barrier_arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// In another block of the cluster: `barrier` from map_to_block. Orders what this thread read from
// shared memory; not its writes to device memory, for which a release at cluster scope costs a
// fence of the whole GPU, a thousand cycles.
__device__ inline void barrier_arrive_remote(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives, and holds the phase open until `bytes` more have come in.
__device__ inline void barrier_arrive_expect(unsigned barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

// Whether the phase of this parity is complete; waits a while for it in hardware.
__device__ inline bool barrier_try_wait(unsigned barrier, unsigned parity) {
  unsigned complete;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      " selp.b32 %0, 1, 0, p;\n}\n"
      : "=r"(complete)
      : "r"(barrier), "r"(parity)
      : "memory");
  return complete != 0;
}

// The same, without waiting.
__device__ inline bool barrier_test(unsigned barrier, unsigned parity) {
  unsigned complete;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      " selp.b32 %0, 1, 0, p;\n}\n"
      : "=r"(complete)
      : "r"(barrier), "r"(parity)
      : "memory");
  return complete != 0;
}

// The first phase has parity 0: a wait for parity 1 on a new barrier returns at once.
__device__ inline void barrier_wait(unsigned barrier, unsigned parity) {
  while (!barrier_try_wait(barrier, parity)) {
  }
}

// A place in a ring of stages and the parity of its current round.
template <unsigned kStages>
struct Stage {
  unsigned index = 0;
  unsigned parity = 0;

  __device__ void advance() {
    if (++index == kStages) {
      index = 0;
      parity ^= 1;
    }
  }

  __device__ void skip(unsigned count) {
    index += count;
    parity ^= index / kStages & 1;
    index %= kStages;
  }
};

// --- barriers of named threads (bar.sync): ids 1 to 15, 0 is __syncthreads() ---

__device__ inline void named_barrier_sync(unsigned id, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ inline void named_barrier_arrive(unsigned id, unsigned threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// --- clusters ---

__device__ inline unsigned cluster_rank() {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ inline void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

__device__ inline void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

__device__ inline void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

// For the end of a kernel that reads other blocks' memory: no block goes before all have come here.
// Orders no writes.
__device__ inline void cluster_leave() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
  cluster_wait();
}

// --- registers and fences ---

// Registers a thread of this warpgroup: a multiple of 8, 24 to 240. Takes effect where the kernel
// has
// __launch_bounds__(threads, 1) and every warpgroup runs one branch of a single if/else.
template <unsigned kRegisters>
__device__ void registers_increase() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <unsigned kRegisters>
__device__ void registers_decrease() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// What this thread stored to shared memory becomes visible to the tensor cores and the copy engine:
// in each writing thread, before the barrier that the reader waits for.
__device__ inline void fence_async_shared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// A kernel launched with programmatic stream serialization: waits for the kernel before it, and
// lets the kernel after it start.
__device__ inline void wait_for_previous_kernel() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
__device__ inline void allow_next_kernel() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

// Stores four 8x8 matrices of 16-bit elements, one row of 16 bytes at each lane's address; the
// fragment of a wgmma accumulator: lane l has elements 2*(l%4), +1 of row l/4 of each matrix.
__device__ inline void store_matrix_x4(unsigned address, const unsigned (&values)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
               "r"(values[0]), "r"(values[1]), "r"(values[2]), "r"(values[3])
               : "memory");
}

__device__ inline void load_matrix_x4(unsigned (&values)[4], unsigned address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(values[0]), "=r"(values[1]), "=r"(values[2]), "=r"(values[3])
               : "r"(address)
               : "memory");
}

}  // namespace
}  // namespace lowp::kernels::sm90
