#include <torch/csrc/stable/library.h>

#include "kernels/quantize_fp8/quantize_fp8.h"
#include "ops/fp8_both.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_fp8_both";

void quantize_fp8_both_out(const Tensor& x, std::int64_t group_size, std::string_view element,
                           bool power_of_two, const Tensor& codes, const Tensor& scale,
                           const Tensor& codes_t, const Tensor& scale_t) {
  const kernels::Matrix matrix = check_matrix({kName, "x", x});
  const DType kind = check_fp8_element(kName, element);
  const BothShapes shapes = check_both(kName, matrix.rows, matrix.cols, group_size);
  const auto side = [&](const kernels::Matrix& side_of, const Tensor& to, const Tensor& scale_to) {
    kernels::quantize_fp8({
        .x = side_of,
        .block = check_block(kName, shapes.block(), side_of.rows, side_of.cols),
        .element = kind,
        .scale_dtype = DType::kF32,
        .power_of_two = power_of_two,
        .static_scale = nullptr,
        .codes = mutable_data<std::uint8_t>(to),
        .scale = mutable_data<float>(scale_to),
        .parallel = torch_pool(),
    });
  };
  check_dense({kName, "codes", codes}, fp8_dtype(kind), {matrix.rows, matrix.cols});
  check_dense({kName, "scale", scale}, ScalarType::Float, {matrix.rows, shapes.groups});
  check_dense({kName, "codes_t", codes_t}, fp8_dtype(kind), {matrix.cols, matrix.rows});
  check_dense({kName, "scale_t", scale_t}, ScalarType::Float, {matrix.cols, shapes.groups_t});
  if (matrix.rows == 0 || matrix.cols == 0) return;
  side(matrix, codes, scale);
  const Tensor transposed = torch::stable::contiguous(torch::stable::transpose(x, 0, 1));
  side(check_matrix({kName, "x", transposed}), codes_t, scale_t);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_fp8_both(const Tensor& x,
                                                             std::int64_t group_size,
                                                             std::string_view element,
                                                             bool power_of_two) {
  const auto [data, dtype, rows, cols, stride] = check_matrix({kName, "x", x});
  const ScalarType kind = fp8_dtype(check_fp8_element(kName, element));
  const BothShapes shapes = check_both(kName, rows, cols, group_size);
  const Tensor codes = empty({rows, cols}, kind);
  const Tensor scale = empty({rows, shapes.groups}, ScalarType::Float);
  const Tensor codes_t = empty({cols, rows}, kind);
  const Tensor scale_t = empty({cols, shapes.groups_t}, ScalarType::Float);
  quantize_fp8_both_out(x, group_size, element, power_of_two, codes, scale, codes_t, scale_t);
  return {codes, scale, codes_t, scale_t};
}

}  // namespace

// quantize_fp8 of x (M, N) along its rows and of its transpose (N, M) along its own, the operands
// of the three GEMMs of a training step: group_size -1 for whole rows and columns, or 128. codes
// (M, N), scale (M, groups of N), codes_t (N, M), scale_t (N, groups of M). On CUDA x is read
// twice, with groups of 128 once.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "quantize_fp8_both(Tensor x, int group_size=-1, str element='e4m3', bool power_of_two=False) "
      "-> (Tensor codes, Tensor scale, Tensor codes_t, Tensor scale_t)");
  library.def(
      "quantize_fp8_both.out(Tensor x, int group_size=-1, str element='e4m3', "
      "bool power_of_two=False, *, Tensor(a!) codes, Tensor(b!) scale, Tensor(c!) codes_t, "
      "Tensor(d!) scale_t) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("quantize_fp8_both", TORCH_BOX(&quantize_fp8_both));
  library.impl("quantize_fp8_both.out", TORCH_BOX(&quantize_fp8_both_out));
}

}  // namespace lowp::ops
