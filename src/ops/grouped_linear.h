// What every grouped linear operator shares: the linear layers of a mixture of experts.
//   x        (tokens, K), sorted by expert
//   offsets  (experts) int32, the end of each expert's rows
//   weight   (experts, N, K), and its scales, bias and so on with (experts) first
//   out      (tokens, N); rows behind the last offset become 0
#pragma once

#include "kernels/grouped_linear/grouped_linear.h"
#include "ops/linear.h"

namespace lowp::ops {

struct ExpertShape {
  std::int64_t n;
  std::int64_t k;
  std::int64_t experts;  // at least 1
};
ExpertShape check_expert_weight(const Argument& weight, ScalarType dtype,
                                std::int64_t values_a_byte = 1);

kernels::RowGroups check_offsets(const LinearOperands& operands, const Tensor& offsets);

// Defines `name(Tensor x, Tensor offsets, arguments) -> Tensor` and `name.out(..., *, out) -> ()`.
void define_grouped_linear(torch::stable::detail::StableLibrary& library, const char* name,
                           const char* arguments);

}  // namespace lowp::ops
