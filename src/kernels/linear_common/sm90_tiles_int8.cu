#include "kernels/linear_common/sm90_tiles_formats.h"
#include "kernels/linear_common/sm90_tiles_launch_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

template <class Pair, Scaling kScaling>
const char* run(const CudaLinearArgs& args) {
  return launch_best<CudaWeightFormat::kInt8, Int8Codes, Pair, kScaling>(args);
}

template <Scaling kScaling>
const char* run(const CudaLinearArgs& args) {
  return args.x_dtype == DType::kF16 ? run<Fp16Pair, kScaling>(args)
                                     : run<Bf16Pair, kScaling>(args);
}

}  // namespace

const char* linear_int8(const CudaLinearArgs& args) {
  return args.weight.group_cols >= args.weight.k ? run<Scaling::kRow>(args)
                                                 : run<Scaling::kFloat>(args);
}

}  // namespace lowp::kernels::tiles
