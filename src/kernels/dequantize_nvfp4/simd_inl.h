// NVFP4 dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_nvfp4/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

inline constexpr std::int64_t kPieceBlocks = 32;
inline constexpr std::int64_t kPieceCols = 16 * kPieceBlocks;

// The block scales of a piece of a row; every NaN becomes the same quiet NaN.
inline void decode_scales(const std::uint8_t* scale, std::int64_t count, float* factors) {
  for_each_range(count, [&](std::int64_t i, auto... rest) {
    F32::store(factors + i, decode<E4m3>(load_bytes(scale + i, rest...)), rest...);
  });
  for (std::int64_t i = 0; i < count; ++i) {
    factors[i] = is_nan_value(factors[i]) ? float_of_bits(kQuietNaN) : factors[i];
  }
  factors[count] = 0.0F;
}

template <class Element>
inline void decode_piece(const DequantizeNvfp4Args& args, const Span& piece) {
  const float tensor_scale = *args.tensor_scale;
  if (is_nan_value(tensor_scale)) return fill_with_nan<Element>(args.out, piece);
  const std::int64_t first = piece.row * args.out.cols + piece.col;
  float factors[kPieceBlocks + 1];  // a last step may have half a vector to fill
  decode_scales(args.block_scale + first / 16, piece.cols / 16, factors);
  const Floats tensor = broadcast(tensor_scale);
  auto* out = at<Element>(args.out, piece.row, piece.col);
  for_each_range(piece.cols, [&](std::int64_t i, auto... count) {
    const Pair x = decode<E2m1>(load_nibbles(args.codes + (first + i) / 2, count...));
    const Pair factor = F32::spread16(factors + i / 16);
    Element::store(
        out + i,
        {multiply(multiply(x.a, factor.a), tensor), multiply(multiply(x.b, factor.b), tensor)},
        count...);
  });
}

inline void dequantize_on_vectors(const DequantizeNvfp4Args& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, {1, kPieceCols},
                   [&](const Span& piece) { decode_piece<Element>(args, piece); });
  });
}

}  // namespace
}  // namespace lowp::kernels
