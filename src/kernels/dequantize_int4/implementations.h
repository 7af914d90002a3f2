#pragma once

#include "kernels/dequantize_int4/dequantize_int4.h"

namespace lowp::kernels {

void dequantize_int4_avx512(const DequantizeInt4Args& args);
void dequantize_int4_avx2(const DequantizeInt4Args& args);
void dequantize_int4_reference(const DequantizeInt4Args& args);

}  // namespace lowp::kernels
