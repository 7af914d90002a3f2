#include "ops/int8_activations.h"

#include <algorithm>

#include "ops/torch_pool.h"

namespace lowp::ops {

Int8Activations::Int8Activations(std::int64_t m, std::int64_t k, bool asymmetric)
    : scale_offset_(ceil_div(m * k, 64) * 64),
      zero_point_offset_(scale_offset_ + m * 4),
      asymmetric_(asymmetric),
      memory_(zero_point_offset_ + m) {}

void Int8Activations::quantize(const kernels::Matrix& x, const Int8Recipe& recipe) const {
  kernels::QuantizeInt8Args args = int8_quantization(x, asymmetric_);
  const bool one_block = recipe.per_tensor && recipe.scale == nullptr && x.rows > 1;
  if (one_block) args.block.rows = x.rows;
  args.codes = codes();
  args.scale = scale();
  args.zero_point = zero_point();
  args.parallel = torch_pool();
  args.column_scale = recipe.pre_scale;
  args.static_scale = recipe.scale;
  args.static_zero_point = recipe.zero_point;
  kernels::quantize_int8(args);
  if (!one_block) return;
  std::fill_n(scale(), x.rows, *scale());
  if (asymmetric_) std::fill_n(zero_point(), x.rows, *zero_point());
}

void Int8Activations::set_static(std::int64_t m, const Int8Recipe& recipe) const {
  std::fill_n(scale(), m, *recipe.scale);
  if (asymmetric_) std::fill_n(zero_point(), m, *recipe.zero_point);
}

const float* check_groups_of_int8(const LinearOperands& operands, bool asymmetric,
                                  std::int64_t group_size, std::int64_t longest,
                                  const std::optional<Tensor>& weight_row_sums) {
  if (group_size > longest) {
    fail(operands.operation, "weight_scale implies too long a group", std::to_string(group_size),
         concat({"at most ", std::to_string(longest)}));
  }
  if (weight_row_sums) {
    check_dense({operands.operation, "weight_row_sums", *weight_row_sums}, ScalarType::Float,
                operands.experts, {operands.out.cols});
    return data<float>(*weight_row_sums);
  }
  if (asymmetric) {
    fail(operands.operation, "weight_row_sums are missing", "none",
         "float32 of (N) with asymmetric activations");
  }
  return nullptr;
}

}  // namespace lowp::ops
