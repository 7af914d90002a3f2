// NVFP4 dequantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/dequantize_nvfp4/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Element>
inline void decode_group(const DequantizeNvfp4Args& args, const Span& span) {
  const std::uint8_t block_scale = args.block_scale[span.index];
  const float tensor_scale = *args.tensor_scale;
  if ((block_scale & 0x7F) == E4m3::kNaNCode || is_nan_value(tensor_scale)) {
    return fill_with_nan<Element>(args.out, span);
  }
  const Floats block_factor = decode<E4m3>(broadcast16(block_scale)).a;
  const Floats tensor_factor = broadcast(tensor_scale);
  const std::uint8_t* codes = args.codes + (span.row * args.out.cols + span.col) / 2;
  auto* out = at<Element>(args.out, span.row, span.col);
  for_each_range(span.cols, [&](std::int64_t i, auto... count) {
    const Pair x = decode<E2m1>(load_nibbles(codes + i / 2, count...));
    Element::store(out + i,
                   {multiply(multiply(x.a, block_factor), tensor_factor),
                    multiply(multiply(x.b, block_factor), tensor_factor)},
                   count...);
  });
}

inline void dequantize_on_vectors(const DequantizeNvfp4Args& args) {
  with_element(args.out.dtype, [&]<class Element>(Element) {
    for_each_block(args.parallel, args.out.rows, args.out.cols, {1, 16},
                   [&](const Span& span) { decode_group<Element>(args, span); });
  });
}

}  // namespace
}  // namespace lowp::kernels
