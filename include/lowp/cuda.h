#pragma once

namespace lowp {

// Loads the CUDA kernels of the operators, once. They are a library of their own, because it brings
// in torch's CUDA libraries (2 GB). Returns false if they were not built or the machine has no
// NVIDIA driver; throws lowp::Error if they are there and cannot be loaded.
bool load_cuda_operators();

// The same where a CUDA tensor is at hand: throws lowp::Error that says what is missing. lowp calls
// it itself when it first sees a CUDA tensor.
void require_cuda_operators();

}  // namespace lowp
