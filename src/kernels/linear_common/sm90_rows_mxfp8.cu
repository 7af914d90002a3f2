#include "kernels/linear_common/sm90_rows_formats.h"
#include "kernels/linear_common/sm90_rows_launch_inl.cuh"

namespace lowp::kernels::rows {
namespace {

template <class X>
const char* run(const CudaLinearArgs& args) {
  return launch_format<Mxfp8Weight<X>>(args);
}

}  // namespace

const char* linear_mxfp8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? run<Bf16Pair>(args) : run<Fp16Pair>(args);
}

}  // namespace lowp::kernels::rows
