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

void check_plan(const Tensor& weight, const Tensor& bias, const Plan& plan) {
  if (weight.dim() != 3 || weight.size(0) == 0) {
    fail("weight is not a matrix an expert, got " + std::to_string(weight.dim()) +
         " dimensions, expected (experts, out_features, in_features)");
  }
  if (!weight.is_cpu()) fail("weight is not on the CPU, got " + weight.device().str());
  const std::string reason = why_not(plan.scheme, weight.size(1), weight.size(2));
  if (!reason.empty()) fail("the weight cannot be quantized: " + reason);
  const bool fp8_rows = plan.scheme.weight == WeightFormat::kInt4 &&
                        plan.scheme.activation == ActivationFormat::kFp8Row;
  if (fp8_rows || plan.activation.per_tensor || plan.activation.scale) {
    fail("the config has no grouped form, got scheme " + std::string(plan.scheme.name));
  }
  if (bias.defined() && bias.sizes() != weight.sizes().slice(0, 2)) {
    fail("bias has the wrong shape, expected (experts, out_features)");
  }
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

GroupedLinearImpl::GroupedLinearImpl(const Tensor& weight, const Config& config, const Tensor& bias)
    : experts_(weight.dim() == 0 ? 0 : weight.size(0)) {
  torch::NoGradGuard no_grad;
  const Plan plan = plan_from_config(config);
  check_plan(weight, bias, plan);
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
  if (bias.defined()) this->bias = register_parameter("bias", bias.detach(), false);
}

Tensor GroupedLinearImpl::forward(const Tensor& x, const Tensor& offsets) {
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
    case WeightFormat::kFp8:
      call(weight_only ? "lowp::grouped_linear_fp8_weight_only" : "lowp::grouped_linear_fp8", x,
           offsets, s.codes, s.scale, weight_block(s.scheme.granularity), b, out);
      break;
    case WeightFormat::kMxfp8:
      call("lowp::grouped_linear_mxfp8", x, offsets, s.codes, s.scale, b, s.activation.scaling_mode,
           out);
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
         << ", in_features=" << state_->k << ", out_features=" << state_->n
         << ", bias=" << bias.defined() << ", scheme=" << scheme() << ")";
}

void GroupedLinearImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}

void GroupedLinearImpl::to(torch::Dtype dtype, bool non_blocking) {
  if (bias.defined()) bias.set_data(bias.to(dtype, non_blocking));
}

void GroupedLinearImpl::to(torch::Device device, bool non_blocking) {
  Module::to(device, non_blocking);
}

std::string GroupedLinearImpl::scheme() const { return std::string(state_->scheme.name); }

Tensor GroupedLinearImpl::dequantized_weight() const {
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
