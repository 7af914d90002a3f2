#pragma once

#include "kernels/decode_advance/decode_advance.h"

namespace lowp::kernels {

// decode_advance on the GPU: logits and state are on the device. Returns nullptr, or the CUDA
// error's text.
const char* decode_advance_cuda(const DecodeAdvanceArgs& args, void* stream);

}  // namespace lowp::kernels
