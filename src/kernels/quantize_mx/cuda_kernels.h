// The three ways of the GPU to quantize to MX formats; quantize_mx_cuda chooses.
#pragma once

#include "kernels/quantize_mx/cuda.h"

namespace lowp::kernels {

// Blocks of 32 along rows; x and codes aligned, rows of whole 16-byte vectors.
bool takes_mx_rows(const QuantizeMxCudaArgs& args);
void quantize_mx_rows(const QuantizeMxCudaArgs& args);

// Blocks of 32 along either dimension or both; aligned, and 8 divides the rows and the columns.
bool takes_mx_tiles(const QuantizeMxCudaArgs& args);
void quantize_mx_tiles(const QuantizeMxCudaArgs& args);

// Any block size and alignment, along one dimension, a thread a block.
void quantize_mx_plain(const QuantizeMxCudaArgs& args);

}  // namespace lowp::kernels
