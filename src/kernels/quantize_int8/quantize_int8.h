#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Affine int8 with one scale a block (numerics 3.1 to 3.3): codes in [-128, 127],
// x ~ (codes - zero_point) * scale. With column_scale, x is what its product with that is, in fp32.
// With static_scale no block has parameters of its own. A block with NaN has scale NaN and codes of
// zero_point (0 without one). An empty matrix writes nothing.
struct QuantizeInt8Args {
  Matrix x;                 // (rows, cols)
  Block block;              // per row, per tensor or per group
  Mapping mapping;          // kSymmetric, kSymmetricNoClippingError, kAsymmetric
  DType scale_dtype;        // kF32, kBF16, kF16: arithmetic and rounding of the scale
  float epsilon;            // smallest scale
  std::int8_t* codes;       // (rows, cols), contiguous
  float* scale;             // (rows / block.rows, cols / block.cols), values of scale_dtype
  std::int8_t* zero_point;  // as scale; nullptr if symmetric
  const ParallelFor* parallel;
  // On the CPU alone.
  const float* column_scale = nullptr;             // (cols): factors of the columns of x
  const float* static_scale = nullptr;             // (1): the scale of every block
  const std::int8_t* static_zero_point = nullptr;  // (1): with zero_point and static_scale
};

void quantize_int8(const QuantizeInt8Args& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeInt8Args>> quantize_int8_implementations();

}  // namespace lowp::kernels
