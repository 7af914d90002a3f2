#pragma once

#include "kernels/scaled_mm/scaled_mm.h"

namespace lowp::kernels {

// By the kernels of the linear layers, one matrix of the batch after the other.
const char* scaled_mm_refuse_linear_fp8(const ScaledMmArgs& args);
void scaled_mm_linear_fp8(const ScaledMmArgs& args);
const char* scaled_mm_refuse_linear_mxfp8(const ScaledMmArgs& args);
void scaled_mm_linear_mxfp8(const ScaledMmArgs& args);
const char* scaled_mm_refuse_linear_mxfp8_weight_only(const ScaledMmArgs& args);
void scaled_mm_linear_mxfp8_weight_only(const ScaledMmArgs& args);
const char* scaled_mm_refuse_linear_mxfp4(const ScaledMmArgs& args);
void scaled_mm_linear_mxfp4(const ScaledMmArgs& args);
const char* scaled_mm_refuse_linear_nvfp4(const ScaledMmArgs& args);
void scaled_mm_linear_nvfp4(const ScaledMmArgs& args);
const char* scaled_mm_refuse_linear_bf16(const ScaledMmArgs& args);
void scaled_mm_linear_bf16(const ScaledMmArgs& args);

void scaled_mm_reference(const ScaledMmArgs& args);

}  // namespace lowp::kernels
