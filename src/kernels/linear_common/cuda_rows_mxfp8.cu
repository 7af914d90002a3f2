#include "kernels/linear_common/cuda_rows_formats.h"
#include "kernels/linear_common/cuda_rows_launch_inl.h"

namespace lowp::kernels {
namespace {

template <class X>
const char* launch(const CudaLinearArgs& args) {
  const RowsTask task = rows_task(args);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  return launch_format<Mxfp8Weight<X>>(task, stream);
}

}  // namespace

const char* linear_rows_mxfp8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? launch<Bf16Pair>(args) : launch<Fp16Pair>(args);
}

}  // namespace lowp::kernels
