#pragma once

#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"

namespace lowp::kernels {

void linear_mxfp8_weight_only_amx(const LinearMxfp8WeightOnlyArgs& args);
void linear_mxfp8_weight_only_avx512_bf16(const LinearMxfp8WeightOnlyArgs& args);
void linear_mxfp8_weight_only_avx512(const LinearMxfp8WeightOnlyArgs& args);
void linear_mxfp8_weight_only_avx2(const LinearMxfp8WeightOnlyArgs& args);
void linear_mxfp8_weight_only_reference(const LinearMxfp8WeightOnlyArgs& args);

}  // namespace lowp::kernels
