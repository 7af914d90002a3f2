#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_mxfp8/implementations.h"
#include "kernels/linear_mxfp8/job_inl.h"

namespace lowp::kernels {
namespace {

void scale_steps(const std::uint8_t* scale, std::int64_t columns, std::int32_t* steps) {
  alignas(64) float values[kLanes];
  for (std::int64_t block = 0; block < columns / kBlock; ++block) {
    if (block % kLanes == 0)
      e8m0_scales(scale + block, smaller(kLanes, columns / kBlock - block), values);
    const __m512 factor = _mm512_set1_ps(values[block % kLanes]);
    for (std::int64_t k = block * kBlock; k < (block + 1) * kBlock; k += kLanes) {
      _mm512_storeu_ps(steps + k, _mm512_mul_ps(_mm512_loadu_ps(steps + k), factor));
    }
  }
}

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  e4m3_to_steps<E4m3Codes>(args.x + at, k_end - k_begin, steps);
  scale_steps(args.x_scale + at / kBlock, k_end - k_begin, steps);
}

}  // namespace

void linear_mxfp8_avx512(const LinearMxfp8Args& args) {
  multiply(job_of<E4m3Codes>(args, decode_x), E4m3Codes{}, args.weight);
}

}  // namespace lowp::kernels
