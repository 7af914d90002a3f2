#pragma once

#include "kernels/rms_norm/rms_norm.h"

namespace lowp::kernels {

// rms_norm on the GPU: the arguments' pointers are the device's, `parallel` is not used. Up to
// kLargestNormCuda columns. Returns nullptr, or the CUDA error's text.
const char* rms_norm_cuda(const RmsNormArgs& args, void* stream);

inline constexpr std::int64_t kLargestNormCuda = 32768;

}  // namespace lowp::kernels
