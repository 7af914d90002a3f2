// Few rows of x with the byte products of VNNI, which this level has too.
#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/intx_avx512_inl.h"
#include "kernels/linear_wna16/implementations.h"
// The level comes first.
#include "kernels/linear_wna16/job_inl.h"

namespace lowp::kernels {
namespace {

// Codes are exact in bf16.
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA16Args*>(from);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    for_each_intx_vector<kBits>(
        args.weight, args.out.cols, args.x.cols, row, k_begin, k_end, offset_of(args),
        [steps](std::int64_t i, Ints bytes) {
          alignas(64) std::int8_t codes[64];
          store_ints(codes, bytes);
          const auto floats = [&](std::int64_t at) {
            const __m128i part = _mm_load_si128(reinterpret_cast<const __m128i*>(codes + at));
            return to_floats(_mm512_cvtepi8_epi32(part));
          };
          for (std::int64_t at = 0; at < 64; at += 2 * kLanes) {
            store_ints(steps + (i + at) / 2, reinterpret_cast<Ints>(_mm512_cvtne2ps_pbh(
                                                 floats(at + kLanes), floats(at))));
          }
        });
  });
}

LinearJob panels_of(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_panel_groups(args, job);
  return job;
}

void multiply_many_rows(const LinearWnA16Args& args) { linear_panels_avx512_bf16(panels_of(args)); }

}  // namespace

void linear_wna16_amx(const LinearWnA16Args& args) { linear_panels_amx(panels_of(args)); }

void linear_wna16_avx512_bf16(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.group = args.group_size;
  if (!fits_intx_rows(job)) return multiply_many_rows(args);
  multiply_few_rows<IntxVnni, 3>(args, job, multiply_many_rows);
}

}  // namespace lowp::kernels
