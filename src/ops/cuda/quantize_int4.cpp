// lowp::quantize_int4 on CUDA.
#include "ops/quantize_int4.h"

#include <torch/csrc/stable/library.h>

#include "kernels/quantize_int4/cuda.h"
#include "ops/cuda/quantize.h"

namespace lowp::ops {
namespace {

struct Cuda : CudaTensors {
  static void run(const Tensor& x, const kernels::QuantizeInt4Args& args) {
    const Launch launch(x);
    check_launch(kQuantizeInt4, kernels::quantize_int4_cuda(args, launch.stream));
  }
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_int4", TORCH_BOX(&quantize_int4<Cuda>));
  library.impl("quantize_int4.out", TORCH_BOX(&quantize_int4_out<Cuda>));
}

}  // namespace lowp::ops
