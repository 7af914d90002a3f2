#include "kernels/linear_w4a8/sm90_launch_inl.cuh"

namespace lowp::kernels {

const char* linear_w4afp8_sm90(const LinearW4A8Sm90Args& args) {
  if (!w4a8::takes_tiles(args)) return w4a8::run_plain<false>(args);
  return w4a8::run_tiles<w4a8::E4m3, false>(args);
}

}  // namespace lowp::kernels
