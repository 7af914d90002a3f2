#pragma once

#include "kernels/dequantize_mx/dequantize_mx.h"

namespace lowp::kernels {

void dequantize_mx_avx512(const DequantizeMxArgs& args);
void dequantize_mx_avx2(const DequantizeMxArgs& args);
void dequantize_mx_reference(const DequantizeMxArgs& args);

}  // namespace lowp::kernels
