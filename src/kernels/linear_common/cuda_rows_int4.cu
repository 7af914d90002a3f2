#include "kernels/linear_common/cuda_rows_formats.h"
#include "kernels/linear_common/cuda_rows_launch_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kUnitColumns = 128;

template <class X, Zero kZero>
const char* launch(const CudaLinearArgs& args) {
  const RowsTask task = rows_task(args);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  if constexpr (kZero != Zero::kFloat) {
    // With more rows of x there are more sums to scale than codes.
    if (args.m <= 16 && args.weight.group_cols % kUnitColumns == 0) {
      return launch_format<Int4SumsWeight<X, kZero>>(task, stream);
    }
  }
  return launch_format<Int4Weight<X, kZero>>(task, stream);
}

template <class X>
const char* launch(const CudaLinearArgs& args) {
  if (args.weight.zero != nullptr) return launch<X, Zero::kFloat>(args);
  if (args.weight.zero_point != nullptr) return launch<X, Zero::kPoint>(args);
  return launch<X, Zero::kNone>(args);
}

}  // namespace

const char* linear_rows_int4(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kBF16 ? launch<Bf16Pair>(args) : launch<Fp16Pair>(args);
}

}  // namespace lowp::kernels
