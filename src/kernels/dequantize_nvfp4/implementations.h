#pragma once

#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"

namespace lowp::kernels {

void dequantize_nvfp4_avx512(const DequantizeNvfp4Args& args);
void dequantize_nvfp4_avx2(const DequantizeNvfp4Args& args);
void dequantize_nvfp4_reference(const DequantizeNvfp4Args& args);

}  // namespace lowp::kernels
