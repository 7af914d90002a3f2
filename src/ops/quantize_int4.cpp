#include "ops/quantize_int4.h"

#include <torch/csrc/stable/library.h>

#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

struct Cpu : CpuTensors {
  static void run(const Tensor& /*x*/, kernels::QuantizeInt4Args args) {
    args.parallel = torch_pool();
    kernels::quantize_int4(args);
  }
};

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; mapping "symmetric", "asymmetric" or "float_zero".
// codes (rows, cols / 2) uint8, two's-complement nibbles, even column low; scale float32,
// zero_point int8 and zero float32 (rows, cols / group_size). x ~ (code - zero_point) * scale, or
// code * scale + zero. The zeros that the mapping does not have are (0, 0).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_int4(Tensor x, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07) -> (Tensor codes, Tensor "
      "scale, Tensor zero_point, Tensor zero)");
  library.def(
      "quantize_int4.out(Tensor x, int group_size, str mapping='symmetric', "
      "ScalarType? scale_dtype=None, float eps=1.1920928955078125e-07, *, Tensor(a!) codes, "
      "Tensor(b!) scale, Tensor(c!)? zero_point=None, Tensor(d!)? zero=None) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_int4", TORCH_BOX(&quantize_int4<Cpu>));
  library.impl("quantize_int4.out", TORCH_BOX(&quantize_int4_out<Cpu>));
}

}  // namespace lowp::ops
