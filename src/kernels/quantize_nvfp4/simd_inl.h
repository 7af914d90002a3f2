// NVFP4 quantization on vectors; see runtime/simd_inl.h.
#pragma once

#include "kernels/quantize_nvfp4/implementations.h"
#include "kernels/runtime/small_float_inl.h"

namespace lowp::kernels {
namespace {

template <class Element>
inline void quantize_elements(const QuantizeNvfp4Args& args) {
  const auto scan = [&](const Span& span) { return amax_range<Element>(args.x, span); };
  quantize_nvfp4_blocks(args, scan, [&](const Span& span, const Nvfp4Tensor& tensor) {
    const Floats factor = broadcast(finish_nvfp4_block(args, tensor, span.index, scan(span).max));
    std::uint8_t* codes = args.codes + (span.row * args.x.cols + span.col) / 2;
    for_each_step<Element>(at<Element>(args.x, span.row, span.col), span.cols,
                           [&](std::int64_t i, Pair x, auto... count) {
                             const Ints a = encode<E2m1, false>(multiply(x.a, factor));
                             const Ints b = encode<E2m1, false>(multiply(x.b, factor));
                             store_nibbles(codes + i / 2, Element::join(a, b), count...);
                           });
  });
}

inline void quantize_on_vectors(const QuantizeNvfp4Args& args) {
  with_element(args.x.dtype, [&]<class Element>(Element) { quantize_elements<Element>(args); });
}

}  // namespace
}  // namespace lowp::kernels
