#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {

// An element times its block's scale, 6 bits, is exact; the tensor's scale multiplies the sum.
const char* linear_nvfp4(const CudaLinearArgs& args, const Plan& plan) {
  constexpr auto kFormat = CudaWeightFormat::kNvfp4;
  return args.x_dtype == DType::kF16
             ? launch_plan<kFormat, SmallE2m1Codes, Fp16Pair, Scaling::kPair>(args, plan)
             : launch_plan<kFormat, SmallE2m1Codes, Bf16Pair, Scaling::kPair>(args, plan);
}

}  // namespace lowp::kernels::tiles
