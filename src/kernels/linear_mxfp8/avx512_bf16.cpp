#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_mxfp8/implementations.h"
#include "kernels/linear_mxfp8/job_inl.h"
// The formats come first.
#include "kernels/linear_mxfp8/scaled_steps_inl.h"

namespace lowp::kernels {
namespace {

void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  mxfp8_steps(args.weight + at, args.weight_scale + at / kBlock, k_end - k_begin, steps);
}

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp8Args*>(from);
  const std::int64_t at = row * args.k + k_begin;
  mxfp8_steps(args.x + at, args.x_scale + at / kBlock, k_end - k_begin, steps);
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp8Args& args) {
  LinearJob job = job_of<E4m3Codes>(args, decode_x);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp8_amx(const LinearMxfp8Args& args) {
  LinearJob job = scaled_job_of(args);
  set_amx_panel<Mxfp8Panel<LinearMxfp8Args>>(job, args.weight);
  linear_panels_amx(job);
}

void linear_mxfp8_avx512_bf16(const LinearMxfp8Args& args) {
  const LinearJob job = job_of<E4m3Codes>(args, decode_x);
  if (fits_few_rows<E4m3Codes>(job)) {
    multiply_few_rows(job, E4m3Codes{}, args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
