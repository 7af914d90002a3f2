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

// Up to this many rows, the kernel that reads the weight at memory's speed; up to kMostRowsSm90 for
// weights that keep few multiprocessors busy, whose rows of x it divides.
constexpr std::int64_t kFewRows = 80;
constexpr std::int64_t kSmall = std::int64_t{1} << 21;  // elements

bool takes_rows(const CudaLinearArgs& args) {
  return args.m <= kFewRows || args.weight.n * args.weight.k <= kSmall;
}

struct Implementation {
  const char* name;
  const char* (*run)(const CudaLinearArgs& args);
  std::int64_t (*workspace)(const CudaLinearArgs& args);
};

std::int64_t no_workspace(const CudaLinearArgs&) { return 0; }

constexpr Implementation kTiles{"sm90_tiles", linear_tiles_sm90, linear_tiles_workspace_sm90};
constexpr Implementation kRows{"sm90_rows", linear_rows_sm90, no_workspace};
constexpr Implementation kAny{"cuda_rows", linear_rows_cuda, no_workspace};

Implementation implementation(const CudaLinearArgs& args) {
  if (!is_hopper()) return kAny;
  const bool is_few = args.m <= kMostRowsSm90 && rows_are_fast(args);
  if (is_few && takes_rows(args)) return kRows;
  if (args.m > kFewRows && refuse_linear_tiles_sm90(args) == nullptr) return kTiles;
  return is_few ? kRows : kAny;
}

}  // namespace

const char* choose_linear_cuda(const CudaLinearArgs& args) { return implementation(args).name; }

std::int64_t linear_cuda_workspace(const CudaLinearArgs& args) {
  return implementation(args).workspace(args);
}

const char* linear_cuda(const CudaLinearArgs& args) { return implementation(args).run(args); }

}  // namespace lowp::kernels
