#include "kernels/linear_common/cuda_rows_formats.h"
#include "kernels/linear_common/cuda_rows_launch_inl.h"

namespace lowp::kernels {
namespace {

template <class X>
const char* launch(const CudaLinearArgs& args) {
  const RowsTask task = rows_task(args);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  const bool by_row = args.weight.group_cols >= args.weight.k;
  return by_row ? launch_format<RowScaledWeight<X, E4m3Codes>>(task, stream)
                : launch_format<GroupScaledWeight<X, E4m3Codes, Fp32Scale>>(task, stream);
}

}  // namespace

const char* linear_rows_fp8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? launch<Bf16Pair>(args) : launch<Fp16Pair>(args);
}

}  // namespace lowp::kernels
