#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

template <class Pair, Scaling kScaling>
const char* run(const CudaLinearArgs& args) {
  return launch_best<CudaWeightFormat::kInt4, Int4Codes, Pair, kScaling>(args);
}

}  // namespace

const char* linear_int4(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const bool symmetric = weight.zero_point == nullptr && weight.zero == nullptr;
  if (args.x_dtype == DType::kF16) return run<Fp16Pair, Scaling::kFloatZero>(args);
  if (weight.scale_dtype != DType::kBF16) return run<Bf16Pair, Scaling::kFloatZero>(args);
  return symmetric ? run<Bf16Pair, Scaling::kPair>(args) : run<Bf16Pair, Scaling::kPairZero>(args);
}

}  // namespace lowp::kernels::tiles
