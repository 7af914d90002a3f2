#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/fp32_job_inl.h"
#include "kernels/linear_common/intx_avx512_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna16/implementations.h"
// The level comes first.
#include "kernels/linear_wna16/job_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA16Args*>(from);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    for_each_intx_vector<kBits>(
        args.weight, args.out.cols, args.x.cols, row, k_begin, k_end, offset_of(args),
        [steps](std::int64_t i, Ints bytes) {
          alignas(64) std::int8_t codes[64];
          store_ints(codes, bytes);
          for (std::int64_t at = 0; at < 64; at += kLanes) {
            const __m128i part = _mm_load_si128(reinterpret_cast<const __m128i*>(codes + at));
            store_floats(steps + i + at, to_floats(_mm512_cvtepi8_epi32(part)));
          }
        });
  });
}

void multiply_many_rows(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_panel_groups(args, job);
  linear_panels_avx512(job);
}

}  // namespace

void linear_wna16_avx512(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.group = args.group_size;
  if (!fits_intx_rows(job)) return multiply_many_rows(args);
  multiply_few_rows<IntxAvx512, 3>(args, job, multiply_many_rows);
}

}  // namespace lowp::kernels
