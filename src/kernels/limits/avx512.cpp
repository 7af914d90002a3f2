#include "kernels/limits/loops.h"
#include "kernels/limits/sums_inl.h"

namespace lowp::kernels {

void fp32_avx512(std::int64_t iterations) {
  const __m512 zero = _mm512_setzero_ps();
  repeat<kAvx512Sums>(iterations, zero, [zero](__m512& sum) {
    asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(zero));
  });
}

// Sums of pairs in int16, the most products an instruction has without VNNI.
void int8_avx512(std::int64_t iterations) {
  const __m512 zero = _mm512_setzero_ps();
  repeat<kAvx512Sums>(iterations, zero, [zero](__m512& sum) {
    __m512 products;
    asm volatile(
        "vpmaddubsw %2, %2, %1\n\t"
        "vpaddw %1, %0, %0"
        : "+v"(sum), "=&v"(products)
        : "v"(zero));
  });
}

}  // namespace lowp::kernels
