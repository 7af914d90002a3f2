// NVFP4 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_nvfp4/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

// A block of 16 is two 128-bit halves of 16-bit elements, or two 256-bit vectors of fp32, at every
// level.
inline float block_amax(const std::uint16_t* x, auto element) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi16(kMagnitude16));
  const __m128i most =
      _mm_max_epi16(_mm256_castsi256_si128(magnitude), _mm256_extracti128_si256(magnitude, 1));
  // phminposuw finds the least.
  const __m128i flipped = _mm_minpos_epu16(_mm_xor_si128(most, _mm_set1_epi16(kMagnitude16)));
  return scalar(element, (_mm_cvtsi128_si32(flipped) & 0xFFFF) ^ kMagnitude16);
}

inline float block_amax(const float* x, auto element) {
  const __m256i magnitude = _mm256_set1_epi32(kMagnitude32);
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 8));
  const __m256i both =
      _mm256_max_epi32(_mm256_and_si256(a, magnitude), _mm256_and_si256(b, magnitude));
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1));
  return scalar(element, _mm_cvtsi128_si32(most));
}

template <class Element>
inline void encode_piece(const QuantizeNvfp4Args& args, const Span& piece,
                         const Nvfp4Tensor& tensor) {
  const auto* x = at<Element>(args.x, piece.row, piece.col);
  const std::int64_t first = piece.row * args.x.cols + piece.col;
  const std::int64_t blocks = piece.cols / 16;
  float amax[kNvfp4PieceBlocks];
  float factors[kNvfp4PieceBlocks + 1];  // a last step may have half a vector to fill
  for (std::int64_t i = 0; i < blocks; ++i) {
    const float most = block_amax(x + 16 * i, Element{});
    amax[i] = is_nan_value(most) ? float_of_bits(kQuietNaN) : most;
  }
  finish_nvfp4_blocks(args, tensor, first / 16, blocks, amax, factors);
  factors[blocks] = 0.0F;
  for_each_step<Element>(x, piece.cols, [&](std::int64_t i, Pair x, auto... count) {
    const Pair factor = Element::spread16(factors + i / 16);
    const Ints a = encode<E2m1, false>(multiply(x.a, factor.a));
    const Ints b = encode<E2m1, false>(multiply(x.b, factor.b));
    store_nibbles(args.codes + (first + i) / 2, Element::join(a, b), count...);
  });
}

template <class Element>
inline void quantize_elements(const QuantizeNvfp4Args& args) {
  quantize_nvfp4_pieces(
      args, [&](const Span& span) { return amax_range<Element>(args.x, span); },
      [&](const Span& piece, const Nvfp4Tensor& tensor) {
        encode_piece<Element>(args, piece, tensor);
      });
}

inline void quantize_on_vectors(const QuantizeNvfp4Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) { quantize_elements<Element>(args); });
}

}  // namespace
}  // namespace lowp::kernels
