#include "kernels/limits/loops.h"
#include "kernels/limits/sums_inl.h"

namespace lowp::kernels {

void fp32_avx512(std::int64_t iterations) {
  repeat_fp32<kAvx512Sums>(iterations, _mm512_setzero_ps());
}

void int8_avx512(std::int64_t iterations) {
  repeat_int8<kAvx512Sums>(iterations, _mm512_setzero_ps());
}

}  // namespace lowp::kernels
