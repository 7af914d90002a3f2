// What the operators on CUDA share that end in a scaled matrix product.
#pragma once

#include <string_view>

#include "kernels/scaled_mm/sm90.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {

// The implementation that takes the product, of this family or, with "auto", of all.
const kernels::ScaledMmSm90& choose_scaled_mm(const char* operation,
                                              const kernels::ScaledMmArgs& args,
                                              std::string_view family = "auto");

}  // namespace lowp::ops
