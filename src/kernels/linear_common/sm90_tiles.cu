#include "kernels/linear_common/sm90_tiles.h"
#include "kernels/linear_common/sm90_tiles_formats.h"

namespace lowp::kernels {
namespace {

bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

bool is_four_bit(CudaWeightFormat format) {
  return format == CudaWeightFormat::kInt4 || format == CudaWeightFormat::kMxfp4 ||
         format == CudaWeightFormat::kNvfp4;
}

bool is_affine(CudaWeightFormat format) {
  return format == CudaWeightFormat::kInt4 || format == CudaWeightFormat::kInt8 ||
         format == CudaWeightFormat::kFp8;
}

// A stage is 64 columns with a scale for each 32 of them. The reciprocal of a group, rounded up,
// divides exactly below 2^32, in units of 16 columns.
bool has_whole_groups(const CudaWeight& weight) {
  return weight.group_cols >= weight.k ||
         (weight.group_cols % 32 == 0 && weight.k * weight.group_cols < std::int64_t{1} << 40);
}

}  // namespace

const char* refuse_linear_tiles_sm90(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  constexpr std::int64_t kLimit = std::int64_t{1} << 31;
  if (args.m >= kLimit || weight.n >= kLimit || weight.k >= kLimit) return "a side is 2^31 or more";
  if (!is_aligned(args.x) || args.x_stride % 8 != 0) return "x is not aligned to 16 bytes";
  if (!is_aligned(weight.codes) || weight.k % (is_four_bit(weight.format) ? 32 : 16) != 0) {
    return "rows of codes are not aligned to 16 bytes";
  }
  if (is_affine(weight.format) && !has_whole_groups(weight)) return "groups are not of 32 columns";
  return nullptr;
}

namespace {

const char* run_plan(const CudaLinearArgs& args, const tiles::Plan& plan) {
  switch (args.weight.format) {
    case CudaWeightFormat::kInt4:
      return tiles::linear_int4(args, plan);
    case CudaWeightFormat::kInt8:
      return tiles::linear_int8(args, plan);
    case CudaWeightFormat::kFp8:
      return tiles::linear_fp8(args, plan);
    case CudaWeightFormat::kMxfp8:
      return tiles::linear_mxfp8(args, plan);
    case CudaWeightFormat::kMxfp4:
      return tiles::linear_mxfp4(args, plan);
    case CudaWeightFormat::kNvfp4:
      return tiles::linear_nvfp4(args, plan);
  }
  return "an unknown format";
}

}  // namespace

std::int64_t linear_tiles_workspace_sm90(const CudaLinearArgs& args) {
  if (args.m == 0 || args.weight.n == 0) return 0;
  const unsigned splits = tiles::plan_tiles(args).splits;
  return splits > 1 ? splits * args.m * args.weight.n * std::int64_t{sizeof(float)} : 0;
}

const char* linear_tiles_sm90(const CudaLinearArgs& args) {
  if (args.m == 0 || args.weight.n == 0) return nullptr;
  const tiles::Plan plan = tiles::plan_tiles(args);
  const char* error = run_plan(args, plan);
  return error != nullptr || plan.splits == 1 ? error : tiles::sum_splits(args, plan.splits);
}

}  // namespace lowp::kernels
