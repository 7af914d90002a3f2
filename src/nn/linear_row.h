// One row through a layer's kernel, without the operator's tensors, boxing and checks. In decoding
// these cost more than a small product does: weights stream through the caches, so that each call
// finds its code and data cold (about 3 us a call, 300 calls a token).
#pragma once

#include "kernels/runtime/matrix.h"
#include "lowp/nn/linear.h"

namespace lowp::nn {

// out = x weight^T + bias for x (1, in_features) and out (1, out_features) of one dtype, on the
// CPU, without gradients. The caller has checked the shapes.
void linear_row(LinearImpl& layer, const kernels::Matrix& x, const kernels::MutableMatrix& out);

}  // namespace lowp::nn
