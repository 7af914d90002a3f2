// lowp::quantize_mx and lowp::quantize_mx_both on CUDA.
#include "ops/quantize_mx.h"

#include <torch/csrc/stable/library.h>

#include "kernels/quantize_mx/cuda.h"
#include "ops/cuda/quantize.h"

namespace lowp::ops {
namespace {

struct Cuda : CudaTensors {
  static void run(const MxRequest& request, const Tensor& x, const kernels::Matrix& matrix,
                  MxResult along_rows, MxResult along_cols) {
    const Launch launch(x);
    check_launch(request.operation, kernels::quantize_mx_cuda({
                                        .x = matrix,
                                        .block_size = request.block_size,
                                        .element = request.element,
                                        .mode = request.mode,
                                        .swizzled = request.swizzled,
                                        .along_rows = {along_rows.codes, along_rows.scale},
                                        .along_cols = {along_cols.codes, along_cols.scale},
                                        .stream = launch.stream,
                                    }));
  }
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_mx", TORCH_BOX(&quantize_mx<Cuda>));
  library.impl("quantize_mx.out", TORCH_BOX(&quantize_mx_out<Cuda>));
  library.impl("quantize_mx_both", TORCH_BOX(&quantize_mx_both<Cuda>));
  library.impl("quantize_mx_both.out", TORCH_BOX(&quantize_mx_both_out<Cuda>));
}

}  // namespace lowp::ops
