#pragma once

#include "kernels/dequantize_fp8/dequantize_fp8.h"

namespace lowp::kernels {

void dequantize_fp8_avx512(const DequantizeFp8Args& args);
void dequantize_fp8_avx2(const DequantizeFp8Args& args);
void dequantize_fp8_reference(const DequantizeFp8Args& args);

}  // namespace lowp::kernels
