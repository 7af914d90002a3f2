#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_w8a16/implementations.h"
#include "kernels/linear_w8a16/job_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A16Args*>(from);
  const std::int8_t* codes = args.weight + row * args.x.cols + k_begin;
  const auto fp32 = [&](std::int64_t i, std::int64_t left) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_codes_16(codes + i, left)));
  };
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(fp32(i + 16, left - 16), fp32(i, left)));
  });
}

LinearJob job_of(const LinearW8A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_scales(args, job);
  return job;
}

}  // namespace

void linear_w8a16_amx(const LinearW8A16Args& args) {
  LinearJob job = job_of(args);
  set_amx_panel<Int8Panel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_w8a16_avx512_bf16(const LinearW8A16Args& args) {
  linear_panels_avx512_bf16(job_of(args));
}

}  // namespace lowp::kernels
