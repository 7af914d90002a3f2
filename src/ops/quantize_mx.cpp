#include "ops/quantize_mx.h"

#include <torch/csrc/stable/library.h>

#include "kernels/quantize_mx/quantize_mx.h"
#include "kernels/swizzle_scales/swizzle_scales.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

// Along rows; swizzled scales are reordered afterwards.
void quantize_rows(const MxRequest& request, const kernels::Matrix& x, MxResult result) {
  const std::int64_t blocks = x.cols / request.block_size;
  std::optional<Tensor> plain;
  if (request.swizzled) plain = empty({x.rows, blocks}, ScalarType::Float8_e8m0fnu);
  auto* scale = plain ? mutable_data<std::uint8_t>(*plain) : result.scale;
  kernels::quantize_mx({
      .x = x,
      .block_size = request.block_size,
      .element = request.element,
      .mode = request.mode,
      .codes = result.codes,
      .scale = scale,
      .parallel = torch_pool(),
  });
  if (!plain) return;
  kernels::swizzle_scales({
      .scale = scale,
      .rows = x.rows,
      .cols = blocks,
      .swizzled = result.scale,
      .parallel = torch_pool(),
  });
}

// Along columns the transpose is quantized along its rows.
struct Cpu : CpuTensors {
  static void run(const MxRequest& request, const Tensor& x, const kernels::Matrix& matrix,
                  MxResult along_rows, MxResult along_cols) {
    if (along_rows.codes != nullptr) quantize_rows(request, matrix, along_rows);
    if (along_cols.codes == nullptr) return;
    const Tensor transposed = torch::stable::contiguous(torch::stable::transpose(x, 0, 1));
    quantize_rows(request, check_input({request.operation, "x", transposed}), along_cols);
  }
};

}  // namespace

// x (rows, cols) float32, bfloat16 or float16; element "e4m3", "e5m2", "e2m3", "e3m2" or "e2m1";
// scaling_mode "floor", "ceil", "even" or "rceil".
// Blocks along dim 1: codes (rows, cols), float8, or uint8 with one fp6 a byte; e2m1
// (rows, cols / 2) uint8, even column low; scale (rows, cols / block_size) float8_e8m0fnu. Along
// dim 0 both are those of x transposed: codes (cols, rows), scale (cols, rows / block_size).
// swizzled: the scales in the 32_4_4 layout, as swizzle_scales gives them.
// quantize_mx_both: both dimensions with blocks of 32, from one read on the GPU.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_mx(Tensor x, str element='e4m3', str scaling_mode='rceil', int block_size=32, "
      "int dim=1, bool swizzled=False) -> (Tensor codes, Tensor scale)");
  library.def(
      "quantize_mx.out(Tensor x, str element='e4m3', str scaling_mode='rceil', int block_size=32, "
      "int dim=1, bool swizzled=False, *, Tensor(a!) codes, Tensor(b!) scale) -> ()");
  library.def(
      "quantize_mx_both(Tensor x, str element='e4m3', str scaling_mode='rceil', "
      "bool swizzled=False) -> (Tensor codes, Tensor scale, Tensor codes_t, Tensor scale_t)");
  library.def(
      "quantize_mx_both.out(Tensor x, str element='e4m3', str scaling_mode='rceil', "
      "bool swizzled=False, *, Tensor(a!) codes, Tensor(b!) scale, Tensor(c!) codes_t, "
      "Tensor(d!) scale_t) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_mx", TORCH_BOX(&quantize_mx<Cpu>));
  library.impl("quantize_mx.out", TORCH_BOX(&quantize_mx_out<Cpu>));
  library.impl("quantize_mx_both", TORCH_BOX(&quantize_mx_both<Cpu>));
  library.impl("quantize_mx_both.out", TORCH_BOX(&quantize_mx_both_out<Cpu>));
}

}  // namespace lowp::ops
