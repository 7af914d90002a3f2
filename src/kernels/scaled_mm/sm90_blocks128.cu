#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {

const char* scaled_mm_blocks128_sm90(const ScaledMmArgs& args) {
  const auto [wide, narrow] = sm90::wave_costs(args.m, args.n, args.batch);
  return wide <= narrow ? run_gemm<sm90::Mainloop::kBlocks, 256, 1>(args)
                        : run_gemm<sm90::Mainloop::kBlocks, 128, 1>(args);
}

const char* scaled_mm_block_columns_sm90(const ScaledMmArgs& args) {
  return run_gemm<sm90::Mainloop::kBlockColumns, 256, 1>(args);
}

}  // namespace lowp::kernels
