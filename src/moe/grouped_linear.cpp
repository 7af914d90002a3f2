#include "lowp/nn/grouped_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/types.h>

#include <vector>

#include "lowp/error.h"
#include "nn/quantized_state.h"
#include "nn/torch_threads.h"
#include "quantize/plan.h"

namespace lowp::nn {
namespace {

using torch::Tensor;
using OptionalTensor = std::optional<Tensor>;

template <class... Args>
void call(const char* name, const Args&... args) {
  // A boxed call: its microsecond is little beside several experts' products.
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(name, "out");
  torch::jit::Stack stack{c10::IValue(args)...};
  op.callBoxed(stack);
}

OptionalTensor optional(const Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

std::vector<std::int64_t> weight_block(Granularity granularity) {
  if (granularity == Granularity::kTensor) return {-1, -1};
  if (granularity == Granularity::kRow) return {1, -1};
  return {128, 128};
}

[[noreturn]] void fail(const std::string& problem) {
  throw Error("[nn::GroupedLinear] " + problem);
}

const Tensor& check_weight(const Tensor& weight, const Tensor& bias) {
  if (weight.dim() != 3 || weight.size(0) == 0) {
    fail("weight is not a matrix an expert, got " + std::to_string(weight.dim()) +
         " dimensions, expected (experts, out_features, in_features)");
  }
  if (bias.defined() && bias.sizes() != weight.sizes().slice(0, 2)) {
    fail("bias has the wrong shape, expected (experts, out_features)");
  }
  return weight;
}

QuantizedState quantize_expert(const Plan& plan, const Tensor& weight) {
  const std::int64_t n = weight.size(0);
  const std::int64_t k = weight.size(1);
  const kernels::Matrix matrix{weight.const_data_ptr(), from_torch(weight.scalar_type()), n, k, k};
  return make_state(quantize_weight(plan.scheme, matrix, torch_threads(), plan.options),
                    plan.activation);
}

// (experts, ...); by bytes, as torch does not stack float8.
Tensor stack(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> bytes;
  for (const Tensor& tensor : tensors) bytes.push_back(tensor.view(torch::kUInt8));
  return torch::stack(bytes).view(tensors[0].scalar_type());
}

}  // namespace

GroupedLinearImpl::GroupedLinearImpl(const Tensor& weight, const Tensor& bias)
    : experts_(check_weight(weight, bias).size(0)),
      out_features_(weight.size(1)),
      in_features_(weight.size(2)) {
  this->weight = register_parameter("weight", weight, weight.requires_grad());
  this->bias = register_parameter("bias", bias, bias.defined() && bias.requires_grad());
}

GroupedLinearImpl::GroupedLinearImpl(const Tensor& weight, const Config& config, const Tensor& bias)
    : GroupedLinearImpl(weight, bias) {
  const Plan plan = plan_from_config(config);
  const std::string reason = why_not(plan);
  if (!reason.empty()) fail("the weight cannot be quantized: " + reason);
  quantize(plan);
}

std::string GroupedLinearImpl::why_not(const Plan& plan) const {
  if (is_quantized()) return "it is quantized already: " + scheme();
  if (!weight.is_cpu()) return "its weight is on " + weight.device().str() + ", not on the CPU";
  const bool fp8_rows = plan.scheme.weight == WeightFormat::kInt4 &&
                        plan.scheme.activation == ActivationFormat::kFp8Row;
  const bool intx = plan.scheme.weight == WeightFormat::kIntx;
  if (fp8_rows || intx || plan.activation.per_tensor || plan.activation.scale) {
    return "scheme " + std::string(plan.scheme.name) + " has no grouped form with this config";
  }
  return lowp::why_not(plan.scheme, out_features_, in_features_);
}

void GroupedLinearImpl::quantize(const Plan& plan) {
  torch::NoGradGuard no_grad;
  std::vector<QuantizedState> experts;
  for (std::int64_t i = 0; i < experts_; ++i) {
    experts.push_back(quantize_expert(plan, weight[i].detach().contiguous()));
  }
  state_ = std::make_shared<QuantizedState>(experts[0]);
  const auto tensors = state_->tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    if (!tensor->defined()) continue;
    std::vector<Tensor> parts;
    for (QuantizedState& expert : experts) parts.push_back(*expert.tensors()[i].second);
    *tensor = register_buffer(name, stack(parts));
  }
  parameters_.erase("weight");
  weight = Tensor();
  if (bias.defined()) bias.set_requires_grad(false);
}

Tensor GroupedLinearImpl::plain_forward(const Tensor& x, const Tensor& offsets) {
  const bool bf16 = x.scalar_type() == torch::kBFloat16 && weight.scalar_type() == torch::kBFloat16;
  if (bf16 && !torch::GradMode::is_enabled() && x.is_cpu()) {
    const Tensor out = at::empty({x.size(0), out_features_}, x.options());
    call("lowp::grouped_linear_bf16", x, offsets, weight.contiguous(), optional(bias), out);
    return out;
  }
  const Tensor ends = offsets.cpu().to(torch::kInt64).contiguous();
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < experts_; ++i) {
    const std::int64_t end = ends.const_data_ptr<std::int64_t>()[i];
    parts.push_back(
        at::linear(x.slice(0, begin, end), weight[i], bias.defined() ? bias[i] : Tensor()));
    begin = end;
  }
  parts.push_back(at::zeros({x.size(0) - begin, out_features_}, x.options()));
  return torch::cat(parts);
}

Tensor GroupedLinearImpl::forward(const Tensor& x, const Tensor& offsets) {
  if (!is_quantized()) return plain_forward(x, offsets);
  if (torch::GradMode::is_enabled() && x.requires_grad()) {
    fail("there is no gradient, got x that requires one, expected a NoGradGuard");
  }
  if (x.dim() != 2) fail("x is not a matrix, got " + std::to_string(x.dim()) + " dimensions");
  const QuantizedState& s = *state_;
  const Tensor out = at::empty({x.size(0), s.n}, x.options());
  const OptionalTensor b = optional(bias);
  const bool weight_only = s.scheme.activation == ActivationFormat::kNone;
  switch (s.scheme.weight) {
    case WeightFormat::kInt8:
      if (weight_only) {
        call("lowp::grouped_linear_w8a16", x, offsets, s.codes, s.scale, b, out);
      } else {
        call("lowp::grouped_linear_w8a8", x, offsets, s.codes, s.scale, s.row_sums, b,
             s.activation.mapping, out);
      }
      break;
    case WeightFormat::kInt4:
      if (weight_only) {
        call("lowp::grouped_linear_w4a16", x, offsets, s.codes, s.scale, optional(s.zero_point),
             optional(s.zero), b, out);
      } else {
        call("lowp::grouped_linear_w4a8", x, offsets, s.codes, s.scale, optional(s.row_sums),
             optional(s.zero_point), optional(s.zero), b, s.activation.mapping, out);
      }
      break;
    case WeightFormat::kIntx:
      fail("scheme " + scheme() + " has no grouped form");
    case WeightFormat::kFp8:
      call(weight_only ? "lowp::grouped_linear_fp8_weight_only" : "lowp::grouped_linear_fp8", x,
           offsets, s.codes, s.scale, weight_block(s.scheme.granularity), b, out);
      break;
    case WeightFormat::kMxfp8:
      if (weight_only) {
        call("lowp::grouped_linear_mxfp8_weight_only", x, offsets, s.codes, s.scale, b, out);
      } else {
        call("lowp::grouped_linear_mxfp8", x, offsets, s.codes, s.scale, b,
             s.activation.scaling_mode, out);
      }
      break;
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      call("lowp::grouped_linear_mxfp6", x, offsets, s.codes, s.scale, b,
           nn::fp6_name(s.scheme.weight), out);
      break;
    case WeightFormat::kMxfp4:
      call("lowp::grouped_linear_mxfp4", x, offsets, s.codes, s.scale, b, out);
      break;
    case WeightFormat::kNvfp4:
      call("lowp::grouped_linear_nvfp4", x, offsets, s.codes, s.scale, s.tensor_scale, b, out);
      break;
  }
  return out;
}

void GroupedLinearImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "lowp::nn::GroupedLinear(experts=" << experts_
         << ", in_features=" << in_features_ << ", out_features=" << out_features_
         << ", bias=" << bias.defined();
  if (is_quantized()) stream << ", scheme=" << scheme();
  stream << ")";
}

void GroupedLinearImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}

void GroupedLinearImpl::to(torch::Dtype dtype, bool non_blocking) {
  if (!is_quantized()) return Module::to(dtype, non_blocking);
  if (bias.defined()) bias.set_data(bias.to(dtype, non_blocking));
}

void GroupedLinearImpl::to(torch::Device device, bool non_blocking) {
  Module::to(device, non_blocking);
}

std::string GroupedLinearImpl::scheme() const {
  return is_quantized() ? std::string(state_->scheme.name) : std::string();
}

Tensor GroupedLinearImpl::dequantized_weight() const {
  if (!is_quantized()) fail("the weight is not quantized, got a plain one, expected a scheme");
  std::vector<Tensor> experts;
  for (std::int64_t i = 0; i < experts_; ++i) {
    QuantizedState expert = *state_;
    for (const auto& [name, tensor] : expert.tensors()) {
      if (tensor->defined()) *tensor = (*tensor)[i];
    }
    experts.push_back(dequantize(expert, torch::kFloat32));
  }
  return torch::stack(experts);
}

}  // namespace lowp::nn
