#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/linear_common/cuda_rows.h"
#include "kernels/linear_common/cuda_rows_formats.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kMostRows = 64;
constexpr std::int64_t kIndexLimit = std::int64_t{1} << 30;

using Launch = const char* (*)(const CudaLinearArgs&);

struct Format {
  Launch launch;
  int bits;
  std::int64_t least_group;  // columns that 16 bytes of codes, or the two halves of them, hold
};

Format format_of(CudaWeightFormat format) {
  switch (format) {
    case CudaWeightFormat::kInt4:
      return {linear_rows_int4, 4, 32};
    case CudaWeightFormat::kInt8:
      return {linear_rows_int8, 8, 16};
    case CudaWeightFormat::kFp8:
      return {linear_rows_fp8, 8, 16};
    case CudaWeightFormat::kMxfp8:
      return {linear_rows_mxfp8, 8, 16};
    case CudaWeightFormat::kMxfp4:
      return {linear_rows_mxfp4, 4, 32};
    default:
      return {linear_rows_nvfp4, 4, 16};
  }
}

bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

}  // namespace

bool rows_are_fast(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const Format format = format_of(weight.format);
  const bool one_group = weight.group_cols >= weight.k;
  return weight.k * format.bits % 128 == 0 && args.x_stride % 8 == 0 && is_aligned(args.x, 16) &&
         is_aligned(weight.codes, 16) && is_aligned(weight.scale, 2) && weight.k < kIndexLimit &&
         // The reciprocal of a group, rounded up, divides exactly.
         (one_group || (weight.group_cols % format.least_group == 0 &&
                        weight.k * weight.group_cols <= std::int64_t{1} << 32)) &&
         weight.n * (weight.k / std::min(weight.group_cols, weight.k) + 1) < kIndexLimit;
}

const char* linear_rows_cuda(const CudaLinearArgs& args) {
  const Format format = format_of(args.weight.format);
  const Launch launch = rows_are_fast(args) ? format.launch : linear_rows_any;
  const std::int64_t n = args.weight.n;
  if (n == 0) return nullptr;
  for (std::int64_t row = 0; row < args.m; row += kMostRows) {
    CudaLinearArgs part = args;
    part.m = std::min(kMostRows, args.m - row);
    part.x = static_cast<const std::uint16_t*>(args.x) + row * args.x_stride;
    part.out = static_cast<std::uint16_t*>(args.out) + row * n;
    const char* error = launch(part);
    if (error == kDoesNotFit) error = linear_rows_any(part);
    if (error != nullptr) return error;
  }
  return nullptr;
}

}  // namespace lowp::kernels
