#pragma once

#include "kernels/dequantize_intx/dequantize_intx.h"

namespace lowp::kernels {

void dequantize_intx_avx512(const DequantizeIntxArgs& args);
void dequantize_intx_avx2(const DequantizeIntxArgs& args);
void dequantize_intx_reference(const DequantizeIntxArgs& args);

}  // namespace lowp::kernels
