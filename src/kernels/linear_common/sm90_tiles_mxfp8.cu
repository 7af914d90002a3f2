#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {

// A power of two times 4 bits is a bf16; an fp16 may be out of its range.
const char* linear_mxfp8(const CudaLinearArgs& args, const Plan& plan) {
  constexpr auto kFormat = CudaWeightFormat::kMxfp8;
  return args.x_dtype == DType::kF16
             ? launch_plan<kFormat, E4m3Codes, Fp16Pair, Scaling::kFloat>(args, plan)
             : launch_plan<kFormat, E4m3Codes, Bf16Pair, Scaling::kPair>(args, plan);
}

}  // namespace lowp::kernels::tiles
