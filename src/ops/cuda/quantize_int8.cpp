// lowp::quantize_int8 on CUDA.
#include "ops/quantize_int8.h"

#include <torch/csrc/stable/library.h>

#include "kernels/quantize_int8/cuda.h"
#include "ops/cuda/quantize.h"

namespace lowp::ops {
namespace {

struct Cuda : CudaTensors {
  static void run(const Tensor& x, const kernels::QuantizeInt8Args& args) {
    const Launch launch(x);
    const LaunchMemory workspace(launch, kernels::quantize_int8_cuda_workspace(args));
    check_launch(kQuantizeInt8, kernels::quantize_int8_cuda(args, workspace.data(), launch.stream));
  }
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_int8", TORCH_BOX(&quantize_int8<Cuda>));
  library.impl("quantize_int8.out", TORCH_BOX(&quantize_int8_out<Cuda>));
}

}  // namespace lowp::ops
