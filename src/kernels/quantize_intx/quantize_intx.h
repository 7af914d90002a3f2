#pragma once

#include <cstdint>
#include <span>

#include "formats/mapping.h"
#include "kernels/runtime/dispatch.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Affine integers of 1 to 7 bits in groups along the columns (numerics 3.1, 3.2; torchao's intx).
// A row of codes is a little-endian bit stream of code + 2^(bits - 1): eight codes fill `bits`
// bytes.
//   kSymmetric                 scale = amax / ((2^bits - 1) / 2);  x ~ code * scale
//   kSymmetricNoClippingError  scale so that neither end is clipped
//   kAsymmetric                scale = (max - min) / (2^bits - 1); x ~ (code - zero_point) * scale
// Codes are made in x's arithmetic if scale_dtype is x's, otherwise in fp32. A group with NaN has
// scale NaN and codes of zero_point (0 without one).
struct QuantizeIntxArgs {
  Matrix x;                 // (rows, cols)
  int bits;                 // 1 to 7
  std::int64_t group_size;  // a multiple of 8, divides cols
  Mapping mapping;          // kSymmetric, kSymmetricNoClippingError, kAsymmetric
  DType scale_dtype;        // kF32, kBF16, kF16: of the parameters' arithmetic and values
  float epsilon;            // smallest scale
  std::uint8_t* codes;      // (rows, cols * bits / 8)
  float* scale;             // (rows, cols / group_size), values of scale_dtype
  std::int8_t* zero_point;  // as scale; kAsymmetric only
  const ParallelFor* parallel;
};

void quantize_intx(const QuantizeIntxArgs& args);

// Best first; the reference is last. Tests and benchmarks run each of them.
std::span<const Implementation<QuantizeIntxArgs>> quantize_intx_implementations();

}  // namespace lowp::kernels
