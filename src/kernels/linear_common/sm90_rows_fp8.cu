#include "kernels/linear_common/sm90_rows_formats.h"
#include "kernels/linear_common/sm90_rows_launch_inl.cuh"

namespace lowp::kernels::rows {
namespace {

template <class X>
const char* run(const CudaLinearArgs& args) {
  return args.weight.group_cols >= args.weight.k
             ? launch_format<RowScaledWeight<X, E4m3Codes>>(args)
             : launch_format<GroupScaledWeight<X, E4m3Codes, Fp32Scale>>(args);
}

}  // namespace

const char* linear_fp8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? run<Bf16Pair>(args) : run<Fp16Pair>(args);
}

}  // namespace lowp::kernels::rows
