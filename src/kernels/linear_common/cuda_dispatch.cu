#include <cuda_runtime.h>

#include "kernels/linear_common/cuda_dispatch.h"
#include "kernels/linear_common/cuda_rows.h"
#include "kernels/linear_common/sm90_tiles.h"

namespace lowp::kernels {
namespace {

// Below, reading the weight for each 64 rows anew is no slower than the tiles.
constexpr std::int64_t kMostRows = 64;

bool is_hopper() {
  int device = 0;
  int major = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  return major == 9;
}

bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

// What linear_tiles_sm90 asks of its arguments.
bool fits_tiles(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const int code_bits = weight.format == CudaWeightFormat::kInt4 ||
                                weight.format == CudaWeightFormat::kMxfp4 ||
                                weight.format == CudaWeightFormat::kNvfp4
                            ? 4
                            : 8;
  const bool is_block = weight.format == CudaWeightFormat::kMxfp8 ||
                        weight.format == CudaWeightFormat::kMxfp4 ||
                        weight.format == CudaWeightFormat::kNvfp4;
  const bool fits_group = is_block || weight.group_cols >= weight.k || weight.group_cols % 32 == 0;
  return fits_group && weight.k * code_bits % 128 == 0 && is_aligned(args.x) &&
         is_aligned(args.out) && is_aligned(weight.codes) && args.x_stride % 8 == 0;
}

bool takes_tiles(const CudaLinearArgs& args) {
  return args.m > kMostRows && is_hopper() && fits_tiles(args);
}

}  // namespace

const char* choose_linear_cuda(const CudaLinearArgs& args) {
  return takes_tiles(args) ? "sm90_tiles" : "cuda_rows";
}

const char* linear_cuda(const CudaLinearArgs& args) {
  return takes_tiles(args) ? linear_tiles_sm90(args) : linear_rows_cuda(args);
}

}  // namespace lowp::kernels
