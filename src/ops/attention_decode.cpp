#include "kernels/attention_decode/attention_decode.h"

#include <torch/csrc/stable/library.h>

#include <optional>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::attention_decode";

// (KV, S, D) of q's dtype, each head contiguous.
void check_cache(const Argument& cache, const Tensor& q) {
  const Tensor& tensor = cache.tensor;
  check_dtype(cache, {q.scalar_type()});
  if (!tensor.is_cpu() || tensor.dim() != 3 || tensor.size(0) == 0 || tensor.size(1) == 0 ||
      tensor.size(2) != q.size(1) || q.size(0) % tensor.size(0) != 0) {
    fail(kName, concat({cache.name, " does not fit q"}), to_string(tensor.sizes()),
         concat({"(KV, S, D) on the CPU, KV a divisor of H, for a q (H, D) of ",
                 to_string(q.sizes())}));
  }
  if (tensor.stride(2) != 1 || tensor.stride(1) != tensor.size(2)) {
    fail(kName, concat({cache.name, " has heads that are not contiguous"}),
         concat({"strides ", to_string(tensor.strides())}), "contiguous heads");
  }
}

struct KeyRange {
  std::int64_t first;
  std::int64_t end;
};

// Which of `positions` keys count; all if absent.
KeyRange check_key_range(const std::optional<Tensor>& key_range, std::int64_t positions) {
  if (!key_range) return {0, positions};
  check_dense({kName, "key_range", *key_range}, ScalarType::Long, {2});
  const auto* range = data<std::int64_t>(*key_range);
  if (range[0] < 0 || range[0] >= range[1] || range[1] > positions) {
    fail(kName, "key_range is not one of the cache",
         concat({std::to_string(range[0]), " to ", std::to_string(range[1])}),
         concat({"0 <= first < end <= ", std::to_string(positions)}));
  }
  return {range[0], range[1]};
}

void attention_decode_out(const Tensor& q, const Tensor& keys, const Tensor& values, double scale,
                          const std::optional<Tensor>& key_range, const Tensor& out) {
  const kernels::Matrix queries = check_matrix({kName, "q", q});
  check_cache({kName, "keys", keys}, q);
  check_cache({kName, "values", values}, q);
  check_shape({kName, "values", values}, {keys.size(0), keys.size(1), keys.size(2)});
  if (keys.stride(0) != values.stride(0)) {
    fail(kName, "values are not laid out as keys", to_string(values.strides()),
         to_string(keys.strides()));
  }
  const auto [first, end] = check_key_range(key_range, keys.size(1));
  const std::int64_t skipped = first * queries.cols * bits(queries.dtype) / 8;
  kernels::attention_decode({
      .q = queries,
      .keys = data<char>(keys) + skipped,
      .values = data<char>(values) + skipped,
      .head_stride = keys.stride(0),
      .kv_heads = keys.size(0),
      .positions = end - first,
      .scale = static_cast<float>(scale),
      .out = check_output_matrix({kName, "out", out}, queries.rows, queries.cols),
      .parallel = torch_pool(),
  });
}

Tensor attention_decode(const Tensor& q, const Tensor& keys, const Tensor& values, double scale,
                        const std::optional<Tensor>& key_range) {
  const kernels::Matrix queries = check_matrix({kName, "q", q});
  const Tensor out = empty({queries.rows, queries.cols}, q.scalar_type());
  attention_decode_out(q, keys, values, scale, key_range, out);
  return out;
}

}  // namespace

// q (H, D) of one token; keys, values (KV, S, D) of q's dtype; key_range (2) int64, the first key
// that counts and the end of those: all if absent. On the GPU it is read when the kernel runs.
// Returns (H, D).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "attention_decode(Tensor q, Tensor keys, Tensor values, float scale, Tensor? key_range=None) "
      "-> Tensor");
  library.def(
      "attention_decode.out(Tensor q, Tensor keys, Tensor values, float scale, Tensor? "
      "key_range=None, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("attention_decode", TORCH_BOX(&attention_decode));
  library.impl("attention_decode.out", TORCH_BOX(&attention_decode_out));
}

}  // namespace lowp::ops
