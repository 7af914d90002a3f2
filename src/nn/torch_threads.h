#pragma once

#include "kernels/runtime/parallel.h"

namespace lowp {

// torch's threads, as kernels see them.
const kernels::ParallelFor* torch_threads();

}  // namespace lowp
