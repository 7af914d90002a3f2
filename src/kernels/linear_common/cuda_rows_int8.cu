#include "kernels/linear_common/cuda_rows_formats.h"
#include "kernels/linear_common/cuda_rows_launch_inl.h"

namespace lowp::kernels {
namespace {

template <class X>
const char* launch(const CudaLinearArgs& args) {
  const RowsTask task = rows_task(args);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  // One scale a row or a tensor, else one for each group of columns.
  const bool by_row = args.weight.group_cols >= args.weight.k;
  return by_row ? launch_format<RowScaledWeight<X, Int8Codes>>(task, stream)
                : launch_format<GroupScaledWeight<X, Int8Codes, Fp32Scale>>(task, stream);
}

}  // namespace

const char* linear_rows_int8(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? launch<Bf16Pair>(args) : launch<Fp16Pair>(args);
}

}  // namespace lowp::kernels
