#pragma once

#include "kernels/dequantize_int8/dequantize_int8.h"

namespace lowp::kernels {

void dequantize_int8_avx512(const DequantizeInt8Args& args);
void dequantize_int8_avx2(const DequantizeInt8Args& args);
void dequantize_int8_reference(const DequantizeInt8Args& args);

}  // namespace lowp::kernels
