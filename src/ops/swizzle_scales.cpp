#include "kernels/swizzle_scales/swizzle_scales.h"

#include <torch/csrc/stable/library.h>

#include "ops/swizzle_scales.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

void swizzle_scales_out(const Tensor& scale, const Tensor& out) {
  const auto [rows, cols] = check_scales({kSwizzleName, "scale", scale});
  const MatrixShape shape = swizzled_shape({rows, cols});
  check_dense({kSwizzleName, "scale", scale}, scale.scalar_type(), {rows, cols});
  check_dense({kSwizzleName, "out", out}, scale.scalar_type(), {shape.rows, shape.cols});
  kernels::swizzle_scales({
      .scale = data<std::uint8_t>(scale),
      .rows = rows,
      .cols = cols,
      .swizzled = mutable_data<std::uint8_t>(out),
      .parallel = torch_pool(),
  });
}

Tensor swizzle_scales(const Tensor& scale) {
  const auto [rows, cols] = swizzled_shape(check_scales({kSwizzleName, "scale", scale}));
  const Tensor out = empty({rows, cols}, scale.scalar_type());
  swizzle_scales_out(scale, out);
  return out;
}

void unswizzle_scales_out(const Tensor& swizzled, std::int64_t rows, std::int64_t cols,
                          const Tensor& out) {
  const MatrixShape shape = check_swizzled({kUnswizzleName, "swizzled", swizzled}, rows, cols);
  check_dense({kUnswizzleName, "swizzled", swizzled}, swizzled.scalar_type(),
              {shape.rows, shape.cols});
  check_dense({kUnswizzleName, "out", out}, swizzled.scalar_type(), {rows, cols});
  kernels::unswizzle_scales({
      .swizzled = data<std::uint8_t>(swizzled),
      .scale = mutable_data<std::uint8_t>(out),
      .rows = rows,
      .cols = cols,
      .parallel = torch_pool(),
  });
}

Tensor unswizzle_scales(const Tensor& swizzled, std::int64_t rows, std::int64_t cols) {
  check_swizzled({kUnswizzleName, "swizzled", swizzled}, rows, cols);
  const Tensor out = empty({rows, cols}, swizzled.scalar_type());
  unswizzle_scales_out(swizzled, rows, cols, out);
  return out;
}

}  // namespace

// scale (rows, cols), one byte each: float8_e8m0fnu (MX), float8_e4m3fn (NVFP4) or uint8; swizzled
// (32 * ceil(rows / 128), 16 * ceil(cols / 4)) of the same dtype: tiles of 128x4 scales, 512 bytes
// each, the padding zero.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("swizzle_scales(Tensor scale) -> Tensor");
  library.def("swizzle_scales.out(Tensor scale, *, Tensor(a!) out) -> ()");
  library.def("unswizzle_scales(Tensor swizzled, int rows, int cols) -> Tensor");
  library.def("unswizzle_scales.out(Tensor swizzled, int rows, int cols, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("swizzle_scales", TORCH_BOX(&swizzle_scales));
  library.impl("swizzle_scales.out", TORCH_BOX(&swizzle_scales_out));
  library.impl("unswizzle_scales", TORCH_BOX(&unswizzle_scales));
  library.impl("unswizzle_scales.out", TORCH_BOX(&unswizzle_scales_out));
}

}  // namespace lowp::ops
