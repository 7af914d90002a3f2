#include "kernels/rotary/rotary.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::rotary";

// (1, D) of a norm's weight (D), or nothing.
kernels::Matrix check_norm(const char* name, const std::optional<Tensor>& weight,
                           std::int64_t head_dim) {
  if (!weight.has_value()) return {};
  const Argument argument{kName, name, *weight};
  check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_dense(argument, weight->scalar_type(), {head_dim});
  return {weight->const_data_ptr(), to_dtype(weight->scalar_type()), 1, head_dim, head_dim};
}

// (KV, T, D): each head contiguous.
kernels::CacheSlots check_slots(const Argument& slots, std::int64_t kv_heads, std::int64_t tokens,
                                std::int64_t head_dim) {
  const Tensor& tensor = slots.tensor;
  check_dtype(slots, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  check_shape(slots, {kv_heads, tokens, head_dim});
  if (!tensor.is_cpu() || tensor.stride(2) != 1 || tensor.stride(1) != head_dim ||
      tensor.stride(0) < tokens * head_dim) {
    fail(kName, concat({slots.name, " has heads that are not contiguous"}),
         concat({"strides ", to_string(tensor.strides())}), "a CPU tensor of contiguous heads");
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

kernels::CacheSlots advance(kernels::CacheSlots slots, std::int64_t elements) {
  slots.data = static_cast<char*>(slots.data) + elements * bits(slots.dtype) / 8;
  return slots;
}

// Where the first token goes among `room` positions; 0 if absent.
std::int64_t check_position(const std::optional<Tensor>& position, std::int64_t tokens,
                            std::int64_t room) {
  if (!position) return 0;
  check_dense({kName, "position", *position}, ScalarType::Long, {1});
  const std::int64_t begin = *data<std::int64_t>(*position);
  if (begin < 0 || begin + tokens > room) {
    fail(kName, "position is out of range", std::to_string(begin),
         concat({"0 to ", std::to_string(room - tokens)}));
  }
  return begin;
}

void rotary_out(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cos,
                const Tensor& sin, const std::optional<Tensor>& q_weight,
                const std::optional<Tensor>& k_weight, double eps, double weight_offset,
                const std::optional<Tensor>& position, const Tensor& q_out, const Tensor& k_out,
                const Tensor& v_out) {
  const kernels::Matrix queries = check_matrix({kName, "q", q});
  const kernels::Matrix keys = check_matrix({kName, "k", k});
  check_shape({kName, "v", v}, {keys.rows, keys.cols});
  const std::int64_t tokens = queries.rows;
  const std::int64_t half = cos.dim() == 2 ? cos.size(1) : 0;
  const std::int64_t angles = position && cos.dim() == 2 ? cos.size(0) : tokens;
  const std::int64_t slots = position && k_out.dim() == 3 ? k_out.size(1) : tokens;
  check_dense({kName, "cos", cos}, ScalarType::Float, {angles, half});
  check_dense({kName, "sin", sin}, ScalarType::Float, {angles, half});
  if (half == 0) fail(kName, "cos has no columns", to_string(cos.sizes()), "(T, head_dim / 2)");
  const std::int64_t head_dim = 2 * half;
  check_heads("q", queries, tokens, head_dim);
  const std::int64_t kv_heads = check_heads("k", keys, tokens, head_dim);
  const std::int64_t begin = check_position(position, tokens, std::min(angles, slots));
  const auto slots_from_begin = [&](const char* name, const Tensor& cache) {
    return advance(check_slots({kName, name, cache}, kv_heads, slots, head_dim), begin * head_dim);
  };
  kernels::rotary({
      .q = queries,
      .k = keys,
      .v = check_matrix({kName, "v", v}),
      .head_dim = head_dim,
      .cos = data<float>(cos) + begin * half,
      .sin = data<float>(sin) + begin * half,
      .q_weight = check_norm("q_weight", q_weight, head_dim),
      .k_weight = check_norm("k_weight", k_weight, head_dim),
      .epsilon = static_cast<float>(eps),
      .weight_offset = static_cast<float>(weight_offset),
      .q_out = check_output_matrix({kName, "q_out", q_out}, tokens, queries.cols),
      .k_out = slots_from_begin("k_out", k_out),
      .v_out = slots_from_begin("v_out", v_out),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> rotary(const Tensor& q, const Tensor& k, const Tensor& v,
                                          const Tensor& cos, const Tensor& sin,
                                          const std::optional<Tensor>& q_weight,
                                          const std::optional<Tensor>& k_weight, double eps,
                                          double weight_offset) {
  const kernels::Matrix queries = check_matrix({kName, "q", q});
  const kernels::Matrix keys = check_matrix({kName, "k", k});
  const std::int64_t head_dim = cos.dim() == 2 && cos.size(1) > 0 ? 2 * cos.size(1) : 1;
  const std::int64_t kv_heads = keys.cols / head_dim;
  const Tensor q_out = empty({queries.rows, queries.cols}, q.scalar_type());
  const Tensor k_out = empty({kv_heads, keys.rows, head_dim}, k.scalar_type());
  const Tensor v_out = empty({kv_heads, keys.rows, head_dim}, v.scalar_type());
  rotary_out(q, k, v, cos, sin, q_weight, k_weight, eps, weight_offset, std::nullopt, q_out, k_out,
             v_out);
  return {q_out, k_out, v_out};
}

}  // namespace

// q (T, H * D); k, v (T, KV * D); cos, sin (T, D / 2) float32; q_weight, k_weight (D): an RMSNorm
// of each head before the rotation. Returns q (T, H * D), k and v (KV, T, D), the layout of a
// cache. With position (1) int64, the first token's, cos and sin are tables of all positions and
// k_out and v_out whole caches (KV, S, D). On the GPU it is read when the kernel runs.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "rotary(Tensor q, Tensor k, Tensor v, Tensor cos, Tensor sin, Tensor? q_weight=None, Tensor? "
      "k_weight=None, float eps=1e-6, float weight_offset=0.0) -> (Tensor q, Tensor k, Tensor v)");
  library.def(
      "rotary.out(Tensor q, Tensor k, Tensor v, Tensor cos, Tensor sin, Tensor? q_weight=None, "
      "Tensor? k_weight=None, float eps=1e-6, float weight_offset=0.0, Tensor? position=None, *, "
      "Tensor(a!) q_out, Tensor(b!) k_out, Tensor(c!) v_out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("rotary", TORCH_BOX(&rotary));
  library.impl("rotary.out", TORCH_BOX(&rotary_out));
}

}  // namespace lowp::ops
