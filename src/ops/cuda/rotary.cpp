// lowp::rotary on CUDA.
#include <torch/csrc/stable/library.h>

#include <algorithm>

#include "kernels/rotary/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::rotary";

// (1, D) of a norm's weight (D), or nothing.
kernels::Matrix check_norm(const char* name, const std::optional<Tensor>& weight, const Tensor& x,
                           std::int64_t head_dim) {
  if (!weight.has_value()) return {};
  const Argument argument{kName, name, *weight};
  check_same_device(argument, x);
  check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_cuda_dense(argument, weight->scalar_type(), {head_dim});
  return {weight->const_data_ptr(), to_dtype(weight->scalar_type()), 1, head_dim, head_dim};
}

// (KV, S, D): each head contiguous.
kernels::CacheSlots check_slots(const Argument& slots, const Tensor& x, std::int64_t kv_heads,
                                std::int64_t positions, std::int64_t head_dim) {
  const Tensor& tensor = slots.tensor;
  check_same_device(slots, x);
  check_dtype(slots, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_shape(slots, {kv_heads, positions, head_dim});
  if (tensor.stride(2) != 1 || tensor.stride(1) != head_dim ||
      tensor.stride(0) < positions * head_dim) {
    fail(kName, concat({slots.name, " has heads that are not contiguous"}),
         concat({"strides ", to_string(tensor.strides())}), "contiguous heads");
  }
  return {tensor.mutable_data_ptr(), to_dtype(tensor.scalar_type()), tensor.stride(0)};
}

std::int64_t check_heads(const char* name, const kernels::Matrix& x, std::int64_t tokens,
                         std::int64_t head_dim) {
  if (x.rows != tokens || x.cols % head_dim != 0) {
    fail(kName, concat({name, " has the wrong shape"}),
         concat({"(", std::to_string(x.rows), ", ", std::to_string(x.cols), ")"}),
         concat({"(", std::to_string(tokens), ", a multiple of ", std::to_string(head_dim), ")"}));
  }
  return x.cols / head_dim;
}

void rotary_out(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cos,
                const Tensor& sin, const std::optional<Tensor>& q_weight,
                const std::optional<Tensor>& k_weight, double eps, double weight_offset,
                const std::optional<Tensor>& position, const Tensor& q_out, const Tensor& k_out,
                const Tensor& v_out) {
  const kernels::Matrix queries = check_cuda_floats({kName, "q", q}, q);
  const kernels::Matrix keys = check_cuda_floats({kName, "k", k}, q);
  check_shape({kName, "v", v}, {keys.rows, keys.cols});
  const std::int64_t tokens = queries.rows;
  const std::int64_t half = cos.dim() == 2 ? cos.size(1) : 0;
  const std::int64_t angles = position && cos.dim() == 2 ? cos.size(0) : tokens;
  const std::int64_t slots = position && k_out.dim() == 3 ? k_out.size(1) : tokens;
  check_same_device({kName, "cos", cos}, q);
  check_cuda_dense({kName, "cos", cos}, ScalarType::Float, {angles, half});
  check_same_device({kName, "sin", sin}, q);
  check_cuda_dense({kName, "sin", sin}, ScalarType::Float, {angles, half});
  if (half == 0) fail(kName, "cos has no columns", to_string(cos.sizes()), "(T, head_dim / 2)");
  const std::int64_t head_dim = 2 * half;
  check_heads("q", queries, tokens, head_dim);
  const std::int64_t kv_heads = check_heads("k", keys, tokens, head_dim);
  const kernels::RotaryArgs args{
      .q = queries,
      .k = keys,
      .v = check_cuda_floats({kName, "v", v}, q),
      .head_dim = head_dim,
      .cos = data<float>(cos),
      .sin = data<float>(sin),
      .q_weight = check_norm("q_weight", q_weight, q, head_dim),
      .k_weight = check_norm("k_weight", k_weight, q, head_dim),
      .epsilon = static_cast<float>(eps),
      .weight_offset = static_cast<float>(weight_offset),
      .q_out = check_cuda_output({kName, "q_out", q_out}, q, tokens, queries.cols),
      .k_out = check_slots({kName, "k_out", k_out}, q, kv_heads, slots, head_dim),
      .v_out = check_slots({kName, "v_out", v_out}, q, kv_heads, slots, head_dim),
      .parallel = nullptr,
  };
  const Launch launch(q);
  check_launch(kName, kernels::rotary_cuda(
                          {.args = args,
                           .position = check_cuda_numbers(kName, "position", position, q, 1),
                           .room = std::min(angles, slots),
                           .stream = launch.stream}));
}

std::tuple<Tensor, Tensor, Tensor> rotary(const Tensor& q, const Tensor& k, const Tensor& v,
                                          const Tensor& cos, const Tensor& sin,
                                          const std::optional<Tensor>& q_weight,
                                          const std::optional<Tensor>& k_weight, double eps,
                                          double weight_offset) {
  const kernels::Matrix queries = check_cuda_floats({kName, "q", q}, q);
  const kernels::Matrix keys = check_cuda_floats({kName, "k", k}, q);
  const std::int64_t head_dim = cos.dim() == 2 && cos.size(1) > 0 ? 2 * cos.size(1) : 1;
  const std::int64_t kv_heads = keys.cols / head_dim;
  const Tensor q_out = empty_cuda(q, {queries.rows, queries.cols}, q.scalar_type());
  const Tensor k_out = empty_cuda(k, {kv_heads, keys.rows, head_dim}, k.scalar_type());
  const Tensor v_out = empty_cuda(v, {kv_heads, keys.rows, head_dim}, v.scalar_type());
  rotary_out(q, k, v, cos, sin, q_weight, k_weight, eps, weight_offset, std::nullopt, q_out, k_out,
             v_out);
  return {q_out, k_out, v_out};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("rotary", TORCH_BOX(&rotary));
  library.impl("rotary.out", TORCH_BOX(&rotary_out));
}

}  // namespace lowp::ops
