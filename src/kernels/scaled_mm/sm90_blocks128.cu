#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {

const char* scaled_mm_blocks128_sm90(const ScaledMmArgs& args) {
  return sm90::wide_is_faster(args.m, args.n, args.batch)
             ? run_gemm<sm90::Mainloop::kBlocks, 256>(args)
             : run_gemm<sm90::Mainloop::kBlocks, 128>(args);
}

const char* scaled_mm_block_columns_sm90(const ScaledMmArgs& args) {
  return run_gemm<sm90::Mainloop::kBlockColumns, 256>(args);
}

}  // namespace lowp::kernels
