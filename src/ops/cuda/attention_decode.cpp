// lowp::attention_decode on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/attention_decode/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::attention_decode";

// (KV, S, D) of q's dtype, each head contiguous.
void check_cache(const Argument& cache, const Tensor& q) {
  const Tensor& tensor = cache.tensor;
  check_same_device(cache, q);
  check_dtype(cache, {q.scalar_type()});
  if (tensor.dim() != 3 || tensor.size(0) == 0 || tensor.size(1) == 0 ||
      tensor.size(2) != q.size(1) || q.size(0) % tensor.size(0) != 0) {
    fail(kName, concat({cache.name, " does not fit q"}), to_string(tensor.sizes()),
         concat({"(KV, S, D), KV a divisor of H, for a q (H, D) of ", to_string(q.sizes())}));
  }
  if (tensor.stride(2) != 1 || tensor.stride(1) != tensor.size(2)) {
    fail(kName, concat({cache.name, " has heads that are not contiguous"}),
         concat({"strides ", to_string(tensor.strides())}), "contiguous heads");
  }
}

void attention_decode_out(const Tensor& q, const Tensor& keys, const Tensor& values, double scale,
                          const std::optional<Tensor>& key_range, const Tensor& out) {
  const kernels::Matrix queries = check_cuda_floats({kName, "q", q}, q);
  check_cache({kName, "keys", keys}, q);
  check_cache({kName, "values", values}, q);
  check_shape({kName, "values", values}, {keys.size(0), keys.size(1), keys.size(2)});
  if (keys.stride(0) != values.stride(0)) {
    fail(kName, "values are not laid out as keys", to_string(values.strides()),
         to_string(keys.strides()));
  }
  check_dtype({kName, "out", out}, {q.scalar_type()});
  const kernels::AttentionDecodeArgs args{
      .q = queries,
      .keys = keys.const_data_ptr(),
      .values = values.const_data_ptr(),
      .head_stride = keys.stride(0),
      .kv_heads = keys.size(0),
      .positions = keys.size(1),
      .scale = static_cast<float>(scale),
      .out = check_cuda_output({kName, "out", out}, q, queries.rows, queries.cols),
      .parallel = nullptr,
  };
  if (!kernels::attention_decode_takes(args)) {
    fail(kName, "q, keys or values are not laid out for the GPU",
         concat({"heads of ", std::to_string(queries.cols)}),
         concat({"a multiple of 8, at most ", std::to_string(kernels::kLargestHeadDimCuda),
                 ", all heads on 16 bytes"}));
  }
  const std::int64_t elements = kernels::attention_decode_workspace(args);
  std::optional<Tensor> workspace;
  if (elements > 0) workspace = empty_cuda(q, {elements}, ScalarType::Float);
  const Launch launch(q);
  check_launch(kName, kernels::attention_decode_cuda(
                          {.args = args,
                           .key_range = check_cuda_numbers(kName, "key_range", key_range, q, 2),
                           .workspace = workspace ? mutable_data<float>(*workspace) : nullptr,
                           .stream = launch.stream}));
}

Tensor attention_decode(const Tensor& q, const Tensor& keys, const Tensor& values, double scale,
                        const std::optional<Tensor>& key_range) {
  const kernels::Matrix queries = check_cuda_floats({kName, "q", q}, q);
  const Tensor out = empty_cuda(q, {queries.rows, queries.cols}, q.scalar_type());
  attention_decode_out(q, keys, values, scale, key_range, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("attention_decode", TORCH_BOX(&attention_decode));
  library.impl("attention_decode.out", TORCH_BOX(&attention_decode_out));
}

}  // namespace lowp::ops
