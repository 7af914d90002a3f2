#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_w8a16/implementations.h"
#include "kernels/linear_w8a16/job_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A16Args*>(from);
  const std::int8_t* codes = args.weight + row * args.x.cols;
  for (std::int64_t k = k_begin; k < k_end; k += kLanes) {
    const __m512i ints = _mm512_cvtepi8_epi32(load_codes_16(codes + k, k_end - k));
    _mm512_storeu_ps(steps + k - k_begin, _mm512_cvtepi32_ps(ints));
  }
}

}  // namespace

void linear_w8a16_avx512(const LinearW8A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_scales(args, job);
  multiply(job, Int8Codes{}, args.weight);
}

}  // namespace lowp::kernels
