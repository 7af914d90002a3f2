#include "kernels/distortion/distortion_inl.h"
#include "kernels/distortion/implementations.h"

namespace lowp::kernels {

void distortion_avx512(const DistortionArgs& args) { run_distortion(args); }

}  // namespace lowp::kernels
