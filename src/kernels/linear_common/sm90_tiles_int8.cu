#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

template <class Pair, Scaling kScaling>
const char* run(const CudaLinearArgs& args, const Plan& plan) {
  return launch_plan<CudaWeightFormat::kInt8, Int8Codes, Pair, kScaling>(args, plan);
}

template <Scaling kScaling>
const char* run(const CudaLinearArgs& args, const Plan& plan) {
  return args.x_dtype == DType::kF16 ? run<Fp16Pair, kScaling>(args, plan)
                                     : run<Bf16Pair, kScaling>(args, plan);
}

}  // namespace

const char* linear_int8(const CudaLinearArgs& args, const Plan& plan) {
  return args.weight.group_cols >= args.weight.k ? run<Scaling::kRow>(args, plan)
                                                 : run<Scaling::kFloat>(args, plan);
}

}  // namespace lowp::kernels::tiles
