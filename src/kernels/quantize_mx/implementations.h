#pragma once

#include "kernels/quantize_mx/quantize_mx.h"
#include "kernels/runtime/range.h"

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

// Shared by all implementations: stores the scales of `count` blocks from `first` on.
void finish_mx_blocks(const QuantizeMxArgs& args, std::int64_t first, std::int64_t count,
                      const Range* ranges, MxEncoding* encodings);

}  // namespace lowp::kernels
