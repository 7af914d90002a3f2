#include "kernels/quantize_mx/quantize_mx.h"

#include <torch/csrc/stable/library.h>

#include "kernels/swizzle_scales/swizzle_scales.h"
#include "ops/mx.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_mx";
constexpr char kBothName[] = "lowp::quantize_mx_both";
constexpr std::int64_t kBlock = 32;

struct Outputs {
  Tensor codes;
  Tensor scale;
};

Outputs empty_outputs(const MxRequest& request, const Tensor& x, std::int64_t dim) {
  const kernels::Matrix matrix = check_matrix({request.operation, "x", x});
  const auto [codes, scale] = request.shapes(matrix.rows, matrix.cols, dim);
  return {empty({codes.rows, codes.cols}, codes_dtype(request.element)),
          empty({scale.rows, scale.cols}, ScalarType::Float8_e8m0fnu)};
}

// Along dim 0 the transpose is quantized along dim 1; swizzled scales are reordered afterwards.
void quantize(const MxRequest& request, const Tensor& x, std::int64_t dim, const Argument& codes,
              const Argument& scale) {
  const kernels::Matrix given = check_matrix({request.operation, "x", x});
  const MxShapes shapes = request.shapes(given.rows, given.cols, dim);
  check_dense(codes, codes_dtype(request.element), {shapes.codes.rows, shapes.codes.cols});
  check_dense(scale, ScalarType::Float8_e8m0fnu, {shapes.scale.rows, shapes.scale.cols});

  const Tensor owner = dim == 1 ? x : torch::stable::contiguous(torch::stable::transpose(x, 0, 1));
  const kernels::Matrix matrix = dim == 1 ? given : check_matrix({request.operation, "x", owner});
  const std::int64_t blocks = matrix.cols / request.block_size;
  const Tensor plain =
      request.swizzled ? empty({matrix.rows, blocks}, ScalarType::Float8_e8m0fnu) : scale.tensor;
  kernels::quantize_mx({
      .x = matrix,
      .block_size = request.block_size,
      .element = request.element,
      .mode = request.mode,
      .codes = mutable_data<std::uint8_t>(codes.tensor),
      .scale = mutable_data<std::uint8_t>(plain),
      .parallel = torch_pool(),
  });
  if (!request.swizzled) return;
  kernels::swizzle_scales({
      .scale = data<std::uint8_t>(plain),
      .rows = matrix.rows,
      .cols = blocks,
      .swizzled = mutable_data<std::uint8_t>(scale.tensor),
      .parallel = torch_pool(),
  });
}

void quantize_mx_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                     std::int64_t block_size, std::int64_t dim, bool swizzled, const Tensor& codes,
                     const Tensor& scale) {
  quantize({kName, element, scaling_mode, block_size, swizzled}, x, check_dim(kName, dim),
           {kName, "codes", codes}, {kName, "scale", scale});
}

std::tuple<Tensor, Tensor> quantize_mx(const Tensor& x, std::string_view element,
                                       std::string_view scaling_mode, std::int64_t block_size,
                                       std::int64_t dim, bool swizzled) {
  const auto [codes, scale] =
      empty_outputs({kName, element, scaling_mode, block_size, swizzled}, x, check_dim(kName, dim));
  quantize_mx_out(x, element, scaling_mode, block_size, dim, swizzled, codes, scale);
  return {codes, scale};
}

void quantize_mx_both_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                          bool swizzled, const Tensor& codes, const Tensor& scale,
                          const Tensor& codes_t, const Tensor& scale_t) {
  const MxRequest request(kBothName, element, scaling_mode, kBlock, swizzled);
  quantize(request, x, 1, {kBothName, "codes", codes}, {kBothName, "scale", scale});
  quantize(request, x, 0, {kBothName, "codes_t", codes_t}, {kBothName, "scale_t", scale_t});
}

std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_mx_both(const Tensor& x,
                                                            std::string_view element,
                                                            std::string_view scaling_mode,
                                                            bool swizzled) {
  const MxRequest request(kBothName, element, scaling_mode, kBlock, swizzled);
  const auto [codes, scale] = empty_outputs(request, x, 1);
  const auto [codes_t, scale_t] = empty_outputs(request, x, 0);
  quantize_mx_both_out(x, element, scaling_mode, swizzled, codes, scale, codes_t, scale_t);
  return {codes, scale, codes_t, scale_t};
}

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
  library.impl("quantize_mx", TORCH_BOX(&quantize_mx));
  library.impl("quantize_mx.out", TORCH_BOX(&quantize_mx_out));
  library.impl("quantize_mx_both", TORCH_BOX(&quantize_mx_both));
  library.impl("quantize_mx_both.out", TORCH_BOX(&quantize_mx_both_out));
}

}  // namespace lowp::ops
