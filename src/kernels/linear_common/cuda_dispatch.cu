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

// Up to this many rows, the kernel that reads the weight at memory's speed. Up to kMostRowsSm90 it
// is still faster if the tiles were too few for most of the chip, or the weight is small.
constexpr std::int64_t kFewRows = 80;
constexpr std::int64_t kWide = 6144;
constexpr std::int64_t kWideOf8Bits = 4096;
constexpr std::int64_t kSmall = std::int64_t{1} << 21;  // elements

bool takes_rows(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const bool is_8_bit = weight.format == CudaWeightFormat::kInt8 ||
                        weight.format == CudaWeightFormat::kFp8 ||
                        weight.format == CudaWeightFormat::kMxfp8;
  const std::int64_t wide = is_8_bit ? kWideOf8Bits : kWide;
  const bool is_small = weight.n < wide || weight.n * weight.k <= kSmall;
  return args.m <= (is_small ? kMostRowsSm90 : kFewRows);
}

struct Implementation {
  const char* name;
  const char* (*run)(const CudaLinearArgs& args);
};

Implementation implementation(const CudaLinearArgs& args) {
  if (is_hopper()) {
    const bool is_few = args.m <= kMostRowsSm90 && rows_are_fast(args);
    if (is_few && takes_rows(args)) return {"sm90_rows", linear_rows_sm90};
    if (args.m > kFewRows && refuse_linear_tiles_sm90(args) == nullptr) {
      return {"sm90_tiles", linear_tiles_sm90};
    }
    if (is_few) return {"sm90_rows", linear_rows_sm90};
  }
  return {"cuda_rows", linear_rows_cuda};
}

}  // namespace

const char* choose_linear_cuda(const CudaLinearArgs& args) { return implementation(args).name; }

const char* linear_cuda(const CudaLinearArgs& args) { return implementation(args).run(args); }

}  // namespace lowp::kernels
