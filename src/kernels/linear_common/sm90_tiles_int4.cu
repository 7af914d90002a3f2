#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

template <class Pair, Scaling kScaling>
const char* run(const CudaLinearArgs& args, const Plan& plan) {
  return launch_plan<CudaWeightFormat::kInt4, Int4Codes, Pair, kScaling>(args, plan);
}

}  // namespace

const char* linear_int4(const CudaLinearArgs& args, const Plan& plan) {
  const CudaWeight& weight = args.weight;
  const bool symmetric = weight.zero_point == nullptr && weight.zero == nullptr;
  if (args.x_dtype == DType::kF16) return run<Fp16Pair, Scaling::kFloatZero>(args, plan);
  if (weight.scale_dtype != DType::kBF16) return run<Bf16Pair, Scaling::kFloatZero>(args, plan);
  return symmetric ? run<Bf16Pair, Scaling::kPair>(args, plan)
                   : run<Bf16Pair, Scaling::kPairZero>(args, plan);
}

}  // namespace lowp::kernels::tiles
