// The libraries that hold what needs CUDA, found beside this one.
#pragma once

namespace lowp {

// The address of an extern "C" function of liblowp_cuda.so, the part of lowp that needs libtorch's
// CUDA interface. Throws lowp::Error if the library is not there or does not load.
void* cuda_function(const char* symbol);

}  // namespace lowp
