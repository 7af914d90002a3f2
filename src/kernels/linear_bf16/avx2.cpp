#include "kernels/linear_bf16/implementations.h"
#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearBf16Args*>(from);
  const Matrix weight{args.weight, DType::kBF16, args.out.cols, args.x.cols, args.x.cols};
  matrix_to_fp32(weight, row, k_begin, k_end, steps);
}

}  // namespace

void linear_bf16_avx2(const LinearBf16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_panel<Bf16Panel>(job, args.weight);
  multiply(job, Bf16Codes{}, args.weight);
}

}  // namespace lowp::kernels
