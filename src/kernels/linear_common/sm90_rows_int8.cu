#include "kernels/linear_common/sm90_rows_formats.h"
#include "kernels/linear_common/sm90_rows_launch_inl.cuh"

namespace lowp::kernels::rows {
namespace {

template <class X>
const char* run(const CudaLinearArgs& args) {
  // One scale a row or a tensor, else one for each group of columns.
  return args.weight.group_cols >= args.weight.k
             ? launch_format<RowScaledWeight<X, Int8Codes>>(args)
             : launch_format<GroupScaledWeight<X, Int8Codes, Fp32Scale>>(args);
}

}  // namespace

const char* linear_int8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? run<Bf16Pair>(args) : run<Fp16Pair>(args);
}

}  // namespace lowp::kernels::rows
