#pragma once

#include "kernels/quantize_mx/quantize_mx.h"

namespace lowp::kernels {

void quantize_mx_avx512(const QuantizeMxArgs& args);
void quantize_mx_avx2(const QuantizeMxArgs& args);
void quantize_mx_reference(const QuantizeMxArgs& args);

// What the codes of a block are made with.
struct MxEncoding {
  float factor;           // 1 / scale
  bool nan;               // the block holds NaN or Inf: every code is `nan_code`,
  std::uint8_t nan_code;  // the element's NaN, or its largest number if it has none
};

// Shared by all implementations: stores the scale of block `index`.
MxEncoding finish_mx_block(const QuantizeMxArgs& args, std::int64_t index, float amax);

}  // namespace lowp::kernels
