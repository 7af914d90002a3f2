#pragma once

#include "kernels/dequantize_mx/dequantize_mx.h"

namespace lowp::kernels {

void dequantize_mx_reference(const DequantizeMxArgs& args);

}  // namespace lowp::kernels
