#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {

// A power of two times 2 bits is a bf16; an fp16 may be out of its range.
const char* linear_mxfp4(const CudaLinearArgs& args, const Plan& plan) {
  constexpr auto kFormat = CudaWeightFormat::kMxfp4;
  return args.x_dtype == DType::kF16
             ? launch_plan<kFormat, E2m1Codes, Fp16Pair, Scaling::kFloat>(args, plan)
             : launch_plan<kFormat, E2m1Codes, Bf16Pair, Scaling::kPair>(args, plan);
}

}  // namespace lowp::kernels::tiles
