#include "kernels/limits/loops.h"
#include "kernels/limits/sums_inl.h"

namespace lowp::kernels {

void int8_avx512_vnni(std::int64_t iterations) {
  const __m512 zero = _mm512_setzero_ps();
  repeat<kAvx512Sums>(iterations, zero, [zero](__m512& sum) {
    asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(zero));
  });
}

}  // namespace lowp::kernels
