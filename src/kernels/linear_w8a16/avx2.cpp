#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_w8a16/implementations.h"
#include "kernels/linear_w8a16/job_inl.h"

namespace lowp::kernels {

void linear_w8a16_avx2(const LinearW8A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearW8A16Args*>(from);
    int8_to_steps(args.weight + row * args.x.cols + k_begin, k_end - k_begin, steps);
  };
  set_scales(args, job);
  set_panel<Int8Panel>(job, args.weight);
  multiply(job, Int8Codes{}, args.weight);
}

}  // namespace lowp::kernels
