#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {

const char* scaled_mm_direct_sm90(const ScaledMmArgs& args) {
  return sm90::wide_is_faster(args.m, args.n, args.batch)
             ? run_gemm<sm90::Mainloop::kDirect, 256>(args)
             : run_gemm<sm90::Mainloop::kDirect, 128>(args);
}

}  // namespace lowp::kernels
