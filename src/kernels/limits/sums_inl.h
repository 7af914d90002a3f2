// Internal linkage: each file keeps its own copy under its own flags.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowp::kernels {
namespace {

// step(sum) on each of kSums registers, `iterations` times. Steps are written in assembly: GCC 12
// stores integer sums after every step. What a register holds does not matter to it.
template <int kSums, class Vector, class Step>
void repeat(std::int64_t iterations, Vector zero, const Step& step) {
  Vector sums[kSums];
#pragma GCC unroll 24
  for (int j = 0; j < kSums; ++j) sums[j] = zero;
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kSums; ++j) step(sums[j]);
  }
#pragma GCC unroll 24
  for (int j = 0; j < kSums; ++j) asm volatile("" : "+v"(sums[j]));
}

// Loops that AVX2 and AVX-512 differ in by the width of Vector alone.
template <int kSums, class Vector>
void repeat_fp32(std::int64_t iterations, Vector zero) {
  repeat<kSums>(iterations, zero, [zero](Vector& sum) {
    asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(zero));
  });
}

// Sums of pairs in int16, the most products an instruction has without VNNI.
template <int kSums, class Vector>
void repeat_int8(std::int64_t iterations, Vector zero) {
  repeat<kSums>(iterations, zero, [zero](Vector& sum) {
    Vector products;
    asm volatile(
        "vpmaddubsw %2, %2, %1\n\t"
        "vpaddw %1, %0, %0"
        : "+v"(sum), "=&v"(products)
        : "v"(zero));
  });
}

}  // namespace
}  // namespace lowp::kernels
