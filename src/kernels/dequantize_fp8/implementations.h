#pragma once

#include "kernels/dequantize_fp8/dequantize_fp8.h"

namespace lowp::kernels {

void dequantize_fp8_reference(const DequantizeFp8Args& args);

}  // namespace lowp::kernels
