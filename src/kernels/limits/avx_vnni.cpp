#include "kernels/limits/loops.h"
#include "kernels/limits/sums_inl.h"

namespace lowp::kernels {

void int8_avx_vnni(std::int64_t iterations) {
  const __m256 zero = _mm256_setzero_ps();
  repeat<kAvx2Sums>(iterations, zero, [zero](__m256& sum) {
    asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum) : "x"(zero));
  });
}

}  // namespace lowp::kernels
