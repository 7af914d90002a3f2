#pragma once

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {

void quantize_fp8_avx512(const QuantizeFp8Args& args);
void quantize_fp8_avx2(const QuantizeFp8Args& args);
void quantize_fp8_reference(const QuantizeFp8Args& args);

// Shared by all implementations: stores and returns the scale of block `index`.
float finish_fp8_block(const QuantizeFp8Args& args, std::int64_t index, Range range);

}  // namespace lowp::kernels
