#include "models/functional.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "lowp/cuda.h"

namespace lowp::models {
namespace {

using torch::Tensor;
using OptionalTensor = std::optional<Tensor>;

// The operators have no gradients.
bool takes_kernels(const Tensor& x) {
  if (at::GradMode::is_enabled()) return false;
  return x.is_cpu() || (x.is_cuda() && load_cuda_operators());
}

template <class Signature>
c10::TypedOperatorHandle<Signature> out_form(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "out").typed<Signature>();
}

OptionalTensor optional(const Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

// x (*, N)
Tensor norm_with_torch(const Tensor& x, const Norm& norm) {
  const Tensor wide = x.to(torch::kFloat32);
  const Tensor variance = wide.square().mean(-1, /*keepdim=*/true);
  const Tensor factor = norm.weight.to(torch::kFloat32) + norm.offset;
  return (wide * torch::rsqrt(variance + norm.eps) * factor).to(x.scalar_type());
}

// x (T, heads * D) to (T, heads, D)
Tensor rotate_with_torch(const Tensor& x, const Rotation& rotation, const Norm& norm) {
  const std::int64_t head_dim = 2 * rotation.cos.size(1);
  Tensor heads = x.reshape({x.size(0), -1, head_dim});
  if (norm.weight.defined()) heads = norm_with_torch(heads, norm);
  const Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1);
  const std::vector<Tensor> halves = heads.to(torch::kFloat32).chunk(2, -1);
  const Tensor &a = halves[0], &b = halves[1];
  return torch::cat({a * cos - b * sin, b * cos + a * sin}, -1).to(x.scalar_type());
}

// New keys or values (T, KV, D) into their slots, or in place of them.
void store(const Tensor& heads, Tensor& slots) {
  if (slots.defined()) {
    slots.copy_(heads.transpose(0, 1));
  } else {
    slots = heads.transpose(0, 1);
  }
}

Tensor rotate_with_kernel(const Tensor& q, const Tensor& k, const Tensor& v,
                          const Rotation& rotation, const HeadNorms& norms, Tensor& keys,
                          Tensor& values) {
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                    const OptionalTensor&, const OptionalTensor&, double, double,
                    const OptionalTensor&, Tensor&, Tensor&, Tensor&)>("lowp::rotary");
  const std::int64_t head_dim = 2 * rotation.cos.size(1);
  if (!keys.defined()) {
    keys = at::empty({k.size(1) / head_dim, k.size(0), head_dim}, k.options());
    values = at::empty_like(keys);
  }
  Tensor out = at::empty({q.size(0), q.size(1)}, q.options());
  op.call(q, k, v, rotation.cos, rotation.sin, optional(norms.q.weight), optional(norms.k.weight),
          norms.q.eps, norms.q.offset, optional(rotation.position), out, keys, values);
  return out;
}

}  // namespace

Tensor rms_norm(const Tensor& x, const Norm& norm) {
  if (!takes_kernels(x)) return norm_with_torch(x, norm);
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, double, double, Tensor&)>("lowp::rms_norm");
  Tensor out = at::empty_like(x);
  op.call(x, norm.weight, norm.eps, norm.offset, out);
  return out;
}

Tensor add_rms_norm(Tensor& residual, const Tensor& delta, const Norm& norm) {
  if (!takes_kernels(residual)) {
    residual = residual + delta;
    return norm_with_torch(residual, norm);
  }
  static const auto op =
      out_form<void(Tensor&, const Tensor&, const Tensor&, double, double, Tensor&)>(
          "lowp::add_rms_norm");
  Tensor out = at::empty_like(delta);
  op.call(residual, delta, norm.weight, norm.eps, norm.offset, out);
  return out;
}

Tensor rotate(const Tensor& q, const Tensor& k, const Tensor& v, const Rotation& rotation,
              const HeadNorms& norms, Tensor& keys, Tensor& values) {
  if (takes_kernels(q)) return rotate_with_kernel(q, k, v, rotation, norms, keys, values);
  store(rotate_with_torch(k, rotation, norms.k), keys);
  store(v.reshape({v.size(0), -1, 2 * rotation.cos.size(1)}), values);
  return rotate_with_torch(q, rotation, norms.q).flatten(1);
}

bool takes_attention_kernel(std::int64_t head_dim) { return head_dim % 8 == 0 && head_dim <= 256; }

Tensor attend_to_range(const Tensor& q, const Tensor& keys, const Tensor& values,
                       const Tensor& key_range, double scale) {
  static const auto op = out_form<void(const Tensor&, const Tensor&, const Tensor&, double,
                                       const OptionalTensor&, Tensor&)>("lowp::attention_decode");
  const std::int64_t head_dim = keys.size(2);
  Tensor out = at::empty({q.size(1) / head_dim, head_dim}, q.options());
  op.call(q.view({-1, head_dim}), keys, values, scale, optional(key_range), out);
  return out.view({1, -1});
}

Tensor attend(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& mask,
              double scale) {
  if (q.size(0) == 1 && !mask.defined() && q.is_cuda() && takes_kernels(q) &&
      takes_attention_kernel(keys.size(2))) {
    return attend_to_range(q, keys, values, {}, scale);
  }
  const bool causal = !mask.defined() && q.size(0) > 1;
  const Tensor heads = q.view({q.size(0), -1, keys.size(2)}).transpose(0, 1);
  const Tensor out = at::scaled_dot_product_attention(
      heads.unsqueeze(0), keys.unsqueeze(0), values.unsqueeze(0), optional(mask),
      /*dropout_p=*/0.0, causal, scale, /*enable_gqa=*/true);
  return out.squeeze(0).transpose(0, 1).reshape({q.size(0), -1});
}

Tensor gated_activation(const Tensor& gate, const Tensor& up, Activation activation) {
  if (!takes_kernels(gate)) {
    return (activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh")) * up;
  }
  static const auto op = out_form<void(const Tensor&, const Tensor&, std::string_view, Tensor&)>(
      "lowp::gated_activation");
  Tensor out = at::empty({gate.size(0), gate.size(1)}, gate.options());
  op.call(gate, up, activation == Activation::kSilu ? "silu" : "gelu_tanh", out);
  return out;
}

}  // namespace lowp::models
