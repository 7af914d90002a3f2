#include "kernels/limits/loops.h"
#include "kernels/limits/sums_inl.h"

namespace lowp::kernels {

void fp32_avx2(std::int64_t iterations) { repeat_fp32<kAvx2Sums>(iterations, _mm256_setzero_ps()); }

void int8_avx2(std::int64_t iterations) { repeat_int8<kAvx2Sums>(iterations, _mm256_setzero_ps()); }

}  // namespace lowp::kernels
