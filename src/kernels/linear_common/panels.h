// Products with many rows of x: 48 rows of the weight times 128 steps of K (AVX2: 16 times 256) are
// decoded into L1 once and multiplied with some 256 rows of x. Groups must be 16 columns or longer.
#pragma once

#include "kernels/linear_common/job.h"

namespace lowp::kernels {

// fp32 elements.
void linear_panels_avx2(const LinearJob& job);
void linear_panels_avx512(const LinearJob& job);

// bf16 elements, vdpbf16ps: products exact, sums fp32, subnormal bf16 numbers count as zero.
void linear_panels_avx512_bf16(const LinearJob& job);

}  // namespace lowp::kernels
