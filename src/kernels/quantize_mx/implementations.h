#pragma once

#include "kernels/quantize_mx/quantize_mx.h"

namespace lowp::kernels {

void quantize_mx_reference(const QuantizeMxArgs& args);

}  // namespace lowp::kernels
