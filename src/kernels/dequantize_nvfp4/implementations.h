#pragma once

#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"

namespace lowp::kernels {

void dequantize_nvfp4_reference(const DequantizeNvfp4Args& args);

}  // namespace lowp::kernels
