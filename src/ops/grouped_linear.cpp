#include "ops/grouped_linear.h"

namespace lowp::ops {

ExpertShape check_expert_weight(const Argument& weight, ScalarType dtype,
                                std::int64_t values_a_byte) {
  const Tensor& tensor = weight.tensor;
  if (tensor.dim() != 3 || tensor.size(0) == 0 || tensor.size(2) == 0) {
    fail(weight.operation, concat({weight.name, " is not a matrix with columns an expert"}),
         to_string(tensor.sizes()), "(experts, N, K)");
  }
  check_dense(weight, dtype, {tensor.size(0), tensor.size(1), tensor.size(2)});
  return {tensor.size(1), tensor.size(2) * values_a_byte, tensor.size(0)};
}

kernels::RowGroups check_offsets(const LinearOperands& operands, const Tensor& offsets) {
  const char* operation = operands.operation;
  if (operands.x_owner.dim() != 2) {
    fail(operation, "x is not a matrix", to_string(operands.x_owner.sizes()), "(tokens, K)");
  }
  check_dense({operation, "offsets", offsets}, ScalarType::Int, {operands.experts});
  const auto* ends = data<std::int32_t>(offsets);
  std::int64_t begin = 0;
  for (std::int64_t expert = 0; expert < operands.experts; ++expert) {
    if (ends[expert] < begin || ends[expert] > operands.x.rows) {
      fail(operation, "offsets do not rise from 0 to the rows of x at most",
           concat({std::to_string(ends[expert]), " at ", std::to_string(expert), " after ",
                   std::to_string(begin)}),
           concat({std::to_string(begin), " to ", std::to_string(operands.x.rows)}));
    }
    begin = ends[expert];
  }
  return {ends, operands.experts};
}

void define_grouped_linear(torch::stable::detail::StableLibrary& library, const char* name,
                           const char* arguments) {
  const std::string all = concat({"(Tensor x, Tensor offsets, ", arguments});
  library.def(concat({name, all, ") -> Tensor"}).c_str());
  library.def(concat({name, ".out", all, ", *, Tensor(a!) out) -> ()"}).c_str());
}

}  // namespace lowp::ops
