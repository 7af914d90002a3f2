// lowp::swizzle_scales and lowp::unswizzle_scales on CUDA.
#include "ops/swizzle_scales.h"

#include <torch/csrc/stable/library.h>

#include "kernels/swizzle_scales/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

void swizzle_scales_out(const Tensor& scale, const Tensor& out) {
  const auto [rows, cols] = check_scales({kSwizzleName, "scale", scale});
  const MatrixShape shape = swizzled_shape({rows, cols});
  check_cuda_dense({kSwizzleName, "scale", scale}, scale.scalar_type(), {rows, cols});
  check_cuda_dense({kSwizzleName, "out", out}, scale.scalar_type(), {shape.rows, shape.cols});
  check_same_device({kSwizzleName, "out", out}, scale);
  const Launch launch(scale);
  check_launch(kSwizzleName, kernels::swizzle_scales_cuda({
                                 .scale = data<std::uint8_t>(scale),
                                 .rows = rows,
                                 .cols = cols,
                                 .swizzled = mutable_data<std::uint8_t>(out),
                                 .stream = launch.stream,
                             }));
}

Tensor swizzle_scales(const Tensor& scale) {
  const auto [rows, cols] = swizzled_shape(check_scales({kSwizzleName, "scale", scale}));
  const Tensor out = empty_cuda(scale, {rows, cols}, scale.scalar_type());
  swizzle_scales_out(scale, out);
  return out;
}

void unswizzle_scales_out(const Tensor& swizzled, std::int64_t rows, std::int64_t cols,
                          const Tensor& out) {
  const MatrixShape shape = check_swizzled({kUnswizzleName, "swizzled", swizzled}, rows, cols);
  check_cuda_dense({kUnswizzleName, "swizzled", swizzled}, swizzled.scalar_type(),
                   {shape.rows, shape.cols});
  check_cuda_dense({kUnswizzleName, "out", out}, swizzled.scalar_type(), {rows, cols});
  check_same_device({kUnswizzleName, "out", out}, swizzled);
  const Launch launch(swizzled);
  check_launch(kUnswizzleName, kernels::unswizzle_scales_cuda({
                                   .swizzled = data<std::uint8_t>(swizzled),
                                   .scale = mutable_data<std::uint8_t>(out),
                                   .rows = rows,
                                   .cols = cols,
                                   .stream = launch.stream,
                               }));
}

Tensor unswizzle_scales(const Tensor& swizzled, std::int64_t rows, std::int64_t cols) {
  check_swizzled({kUnswizzleName, "swizzled", swizzled}, rows, cols);
  const Tensor out = empty_cuda(swizzled, {rows, cols}, swizzled.scalar_type());
  unswizzle_scales_out(swizzled, rows, cols, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("swizzle_scales", TORCH_BOX(&swizzle_scales));
  library.impl("swizzle_scales.out", TORCH_BOX(&swizzle_scales_out));
  library.impl("unswizzle_scales", TORCH_BOX(&unswizzle_scales));
  library.impl("unswizzle_scales.out", TORCH_BOX(&unswizzle_scales_out));
}

}  // namespace lowp::ops
