#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {

const char* scaled_mm_blocks128_sm90(const ScaledMmArgs& args) {
  return run_gemm<sm90::Mainloop::kBlocks, 128, 1>(args);
}

const char* scaled_mm_block_columns_sm90(const ScaledMmArgs& args) {
  return run_gemm<sm90::Mainloop::kBlockColumns, 128, 1>(args);
}

}  // namespace lowp::kernels
