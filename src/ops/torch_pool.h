#pragma once

#include "kernels/runtime/parallel.h"

namespace lowp::ops {

// torch's own threads (torch.set_num_threads), as kernels see them.
const kernels::ParallelFor* torch_pool();

}  // namespace lowp::ops
