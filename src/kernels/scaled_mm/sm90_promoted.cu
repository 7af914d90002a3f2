#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {

const char* scaled_mm_promoted_sm90(const ScaledMmArgs& args) {
  return run_gemm<sm90::Mainloop::kPromoted, 128>(args);
}

}  // namespace lowp::kernels
