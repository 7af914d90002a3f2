#pragma once

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_fp8_avx512(const QuantizeFp8Args& args);
void quantize_fp8_avx2(const QuantizeFp8Args& args);
void quantize_fp8_reference(const QuantizeFp8Args& args);

struct Fp8Encoding {
  float scale;
  // Every quotient is finite: there is no NaN to look for.
  bool ordinary;
};

// Shared by all implementations: stores the scales of `count` blocks from `first` on.
void finish_fp8_blocks(const QuantizeFp8Args& args, std::int64_t first, std::int64_t count,
                       const Range* ranges, Fp8Encoding* encodings);

}  // namespace lowp::kernels
