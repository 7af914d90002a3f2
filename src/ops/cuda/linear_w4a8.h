// What linear_w4a8 and linear_w4afp8 on CUDA share.
#pragma once

#include "kernels/linear_w4a8/sm90.h"
#include "ops/cuda/linear.h"
#include "ops/cuda/linear_dynamic.h"

namespace lowp::ops {

// The product without x's codes, which have no place yet.
inline kernels::LinearW4A8Sm90Args w4a8_product(const DynamicOperands& operands,
                                                const kernels::CudaWeight& weight) {
  return {
      .x = nullptr,
      .x_scale = nullptr,
      .x_zero_point = nullptr,
      .m = operands.x.rows,
      .n = weight.n,
      .k = weight.k,
      .weight = static_cast<const std::uint8_t*>(weight.codes),
      .scale = weight.scale,
      .zero_point = weight.zero_point,
      .zero = weight.zero,
      .scale_dtype = weight.scale_dtype,
      .group_size = weight.group_cols,
      .row_sums = nullptr,
      .bias = operands.bias,
      .bias_dtype = operands.bias_dtype,
      .out = operands.out,
      .out_dtype = operands.out_dtype,
      .x_sums = nullptr,
      .after_quantize = true,
      .stream = nullptr,
  };
}

}  // namespace lowp::ops
