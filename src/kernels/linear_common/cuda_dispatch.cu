#include <cuda_runtime.h>

#include "kernels/linear_common/cuda_dispatch.h"
#include "kernels/linear_common/cuda_rows.h"
#include "kernels/linear_common/sm90_rows.h"
#include "kernels/linear_common/sm90_tiles.h"

namespace lowp::kernels {
namespace {

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

// More rows than this go to the tiles if these are enough for most of the chip.
constexpr std::int64_t kFewRows = 64;
constexpr std::int64_t kWide = 12288;

bool takes_rows(const CudaLinearArgs& args) {
  return args.m <= kFewRows || (args.m <= kMostRowsSm90 && args.weight.n < kWide);
}

struct Implementation {
  const char* name;
  const char* (*run)(const CudaLinearArgs& args);
};

Implementation implementation(const CudaLinearArgs& args) {
  if (is_hopper()) {
    if (takes_rows(args) && rows_are_fast(args)) return {"sm90_rows", linear_rows_sm90};
    if (args.m > kFewRows && fits_tiles(args)) return {"sm90_tiles", linear_tiles_sm90};
  }
  return {"cuda_rows", linear_rows_cuda};
}

}  // namespace

const char* choose_linear_cuda(const CudaLinearArgs& args) { return implementation(args).name; }

const char* linear_cuda(const CudaLinearArgs& args) { return implementation(args).run(args); }

}  // namespace lowp::kernels
