#include "ops/quantize_int8.h"

#include <torch/csrc/stable/library.h>

#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

struct Cpu : CpuTensors {
  static void run(const Tensor& /*x*/, kernels::QuantizeInt8Args args) {
    args.parallel = torch_pool();
    kernels::quantize_int8(args);
  }
};

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; block: the rectangle that shares a scale, -1 for a
// whole dimension: [1, -1] per row, [-1, -1] per tensor, [1, g] per group.
// codes (rows, cols) int8; scale and zero_point (rows / block[0], cols / block[1]), float32 and
// int8; x ~ (codes - zero_point) * scale. zero_point is (0, 0) unless mapping is asymmetric.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_int8(Tensor x, int[] block, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07) -> (Tensor codes, Tensor "
      "scale, Tensor zero_point)");
  library.def(
      "quantize_int8.out(Tensor x, int[] block, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07, *, Tensor(a!) codes, "
      "Tensor(b!) scale, Tensor(c!)? zero_point=None) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_int8", TORCH_BOX(&quantize_int8<Cpu>));
  library.impl("quantize_int8.out", TORCH_BOX(&quantize_int8_out<Cpu>));
}

}  // namespace lowp::ops
