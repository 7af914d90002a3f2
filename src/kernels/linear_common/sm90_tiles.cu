#include "kernels/linear_common/sm90_tiles.h"
#include "kernels/linear_common/sm90_tiles_formats.h"

namespace lowp::kernels {
namespace {

bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

// A stage is 64 columns with a scale for each 32 of them.
bool has_whole_groups(const CudaWeight& weight) {
  return weight.group_cols % 32 == 0 || weight.group_cols >= weight.k;
}

}  // namespace

const char* linear_tiles_sm90(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  constexpr std::int64_t kLimit = std::int64_t{1} << 31;
  if (args.m == 0 || weight.n == 0) return nullptr;
  if (args.m >= kLimit || weight.n >= kLimit || weight.k >= kLimit) return "a side is 2^31 or more";
  if (weight.n * (weight.k / 16 + 1) >= 2 * kLimit) return "more than 2^32 scales";
  if (!is_aligned(args.x, 16) || args.x_stride % 8 != 0) return "x is not aligned to 16 bytes";
  if (!is_aligned(args.out, 16)) return "out is not aligned to 16 bytes";
  switch (weight.format) {
    case CudaWeightFormat::kInt4:
      return has_whole_groups(weight) ? tiles::linear_int4(args) : "groups are not of 32 columns";
    case CudaWeightFormat::kInt8:
      return has_whole_groups(weight) ? tiles::linear_int8(args) : "groups are not of 32 columns";
    case CudaWeightFormat::kFp8:
      return has_whole_groups(weight) ? tiles::linear_fp8(args) : "groups are not of 32 columns";
    case CudaWeightFormat::kMxfp8:
      return tiles::linear_mxfp8(args);
    case CudaWeightFormat::kMxfp4:
      return tiles::linear_mxfp4(args);
    case CudaWeightFormat::kNvfp4:
      return tiles::linear_nvfp4(args);
  }
  return "an unknown format";
}

}  // namespace lowp::kernels
