#include "kernels/linear_common/sm90_few_rows_inl.cuh"
#include "kernels/scaled_mm/sm90_job_inl.cuh"

namespace lowp::kernels {
namespace {

template <int kRows, bool kBlocks>
const char* run(const ScaledMmArgs& args) {
  return with_operands(args.b.dtype, args.a.dtype, [&](auto operands) {
    using Config = sm90::FewRowsConfig<decltype(operands), float, kRows, kBlocks>;
    return sm90::launch_few_rows<Config>(
        operand_of(args.a, args.m, 1), operand_of(args.b, args.n, 1), params_of(args),
        args.after_quantize, static_cast<cudaStream_t>(args.stream));
  });
}

template <bool kBlocks>
const char* run_rows(const ScaledMmArgs& args) {
  if (args.m <= 16) return run<16, kBlocks>(args);
  return args.m <= 32 ? run<32, kBlocks>(args) : run<64, kBlocks>(args);
}

}  // namespace

const char* scaled_mm_few_rows_sm90(const ScaledMmArgs& args) {
  return is_whole(args.a.recipe) ? run_rows<false>(args) : run_rows<true>(args);
}

}  // namespace lowp::kernels
