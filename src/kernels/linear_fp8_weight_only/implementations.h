#pragma once

#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"

namespace lowp::kernels {

void linear_fp8_weight_only_amx(const LinearFp8WeightOnlyArgs& args);
void linear_fp8_weight_only_avx512_bf16(const LinearFp8WeightOnlyArgs& args);
void linear_fp8_weight_only_avx512(const LinearFp8WeightOnlyArgs& args);
void linear_fp8_weight_only_avx2(const LinearFp8WeightOnlyArgs& args);
void linear_fp8_weight_only_reference(const LinearFp8WeightOnlyArgs& args);

}  // namespace lowp::kernels
