#pragma once

#include "kernels/dequantize_int4/dequantize_int4.h"

namespace lowp::kernels {

void dequantize_int4_reference(const DequantizeInt4Args& args);

}  // namespace lowp::kernels
