#include "lowp/nn/linear.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/init.h>
#include <torch/serialize.h>

#include <cmath>

#include "lowp/error.h"
#include "nn/bf16_linear.h"
#include "nn/packed_state.h"
#include "nn/quantized_state.h"

namespace lowp::nn {
namespace {

torch::Tensor copy_to(const torch::Tensor& tensor, const std::optional<torch::Device>& device) {
  return device && tensor.device() != *device ? tensor.to(*device) : tensor.clone();
}

QuantizedState moved(QuantizedState state, torch::Device device) {
  for (const auto& [name, tensor] : state.tensors()) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return state;
}

const QuantizedState& require(const std::shared_ptr<QuantizedState>& state) {
  if (state) return *state;
  throw Error("[nn::Linear] the layer is not quantized, got a plain weight, expected a scheme");
}

}  // namespace

LinearImpl::LinearImpl(std::int64_t in_features, std::int64_t out_features)
    : LinearImpl(torch::nn::LinearOptions(in_features, out_features)) {}

LinearImpl::LinearImpl(const torch::nn::LinearOptions& options) : options(options) {
  LinearImpl::reset();
}

LinearImpl::LinearImpl(const torch::Tensor& weight, const torch::Tensor& bias)
    : options(weight.size(1), weight.size(0)) {
  options.bias(bias.defined());
  this->weight = register_parameter("weight", weight, weight.requires_grad());
  this->bias = register_parameter("bias", bias, bias.defined() && bias.requires_grad());
}

LinearImpl::LinearImpl(const torch::nn::LinearOptions& options, Empty) : options(options) {}

void LinearImpl::reset() {
  clear_quantized_state();
  parameters_.clear();
  weight =
      register_parameter("weight", torch::empty({options.out_features(), options.in_features()}));
  bias = register_parameter("bias",
                            options.bias() ? torch::empty(options.out_features()) : torch::Tensor(),
                            options.bias());
  reset_parameters();
}

// The initialization of torch.nn.Linear: uniform in +-1/sqrt(in_features).
void LinearImpl::reset_parameters() {
  if (is_quantized()) {
    throw Error("[nn::Linear] a quantized weight cannot be initialized, got scheme " + scheme() +
                ", expected a plain weight: call reset()");
  }
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (bias.defined()) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(options.in_features()));
    torch::nn::init::uniform_(bias, -bound, bound);
  }
}

void LinearImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "lowp::nn::Linear(in_features=" << options.in_features()
         << ", out_features=" << options.out_features() << ", bias=" << options.bias();
  if (quantized_) {
    stream << ", scheme=" << quantized_->scheme.name;
    if (quantized_->scheme.group_size > 0)
      stream << ", group_size=" << quantized_->scheme.group_size;
  }
  stream << ")";
}

torch::Tensor LinearImpl::forward(const torch::Tensor& input) {
  if (observer_) observer_(input);
  if (!quantized_) {
    if (takes_bf16_kernel(input, weight, bias)) return bf16_linear(input, weight, bias);
    return torch::nn::functional::linear(input, weight, bias);
  }
  const bool wants_gradient = torch::GradMode::is_enabled() &&
                              (input.requires_grad() || (bias.defined() && bias.requires_grad()));
  return wants_gradient ? differentiable_linear(quantized_, input, bias)
                        : run_linear(*quantized_, input, bias);
}

void LinearImpl::set_observer(std::function<void(const torch::Tensor&)> observer) {
  observer_ = std::move(observer);
}

std::string LinearImpl::scheme() const {
  return quantized_ ? std::string(quantized_->scheme.name) : std::string();
}

void LinearImpl::set_quantized_weight(const QuantizedWeight& quantized,
                                      const ActivationOptions& activation) {
  if (quantized.n != options.out_features() || quantized.k != options.in_features()) {
    throw Error("[nn::Linear] the quantized weight does not fit, got (" +
                std::to_string(quantized.n) + ", " + std::to_string(quantized.k) + "), expected (" +
                std::to_string(options.out_features()) + ", " +
                std::to_string(options.in_features()) + ")");
  }
  install(moved(make_state(quantized, activation), device()));
}

void LinearImpl::set_quantized_state(const QuantizedState& state) { install(state); }

QuantizedWeight LinearImpl::quantized_weight() const { return to_weight(require(quantized_)); }

torch::Tensor LinearImpl::dequantized_weight() const {
  const QuantizedState& state = require(quantized_);
  return nn::dequantize(state, to_torch(state.dtype));
}

void LinearImpl::dequantize() {
  const torch::Tensor plain = dequantized_weight();
  clear_quantized_state();
  parameters_.clear();
  weight = register_parameter("weight", plain);
  bias = register_parameter("bias", bias, bias.defined() && bias.requires_grad());
}

// The buffers are the state's tensors, so they change with them.
bool LinearImpl::pack() {
  if (!quantized_ || is_packed() || !can_pack(*quantized_)) return is_packed();
  const auto [codes, scale] = pack_tensors(*quantized_);
  quantized_->codes.set_data(codes);
  quantized_->scale.set_data(scale);
  return true;
}

void LinearImpl::unpack() {
  if (!is_packed()) return;
  const auto [codes, scale] = unpack_tensors(*quantized_);
  quantized_->codes.set_data(codes);
  quantized_->scale.set_data(scale);
}

bool LinearImpl::is_packed() const { return quantized_ && nn::is_packed(*quantized_); }

std::shared_ptr<torch::nn::Module> LinearImpl::clone(
    const std::optional<torch::Device>& device) const {
  torch::NoGradGuard no_grad;
  std::shared_ptr<LinearImpl> copy(new LinearImpl(options, Empty{}));
  if (weight.defined()) {
    copy->weight =
        copy->register_parameter("weight", copy_to(weight, device), weight.requires_grad());
  }
  const bool has_bias = bias.defined();
  copy->bias = copy->register_parameter("bias", has_bias ? copy_to(bias, device) : torch::Tensor(),
                                        has_bias && bias.requires_grad());
  if (quantized_) {
    const bool leaves_cpu = device && !device->is_cpu();
    QuantizedState state = leaves_cpu ? unpacked(*quantized_) : *quantized_;
    for (const auto& [name, tensor] : state.tensors()) {
      if (tensor->defined()) *tensor = copy_to(*tensor, device);
    }
    copy->install(state);
  }
  copy->train(is_training());
  return copy;
}

// Codes and scales keep their dtypes; bias, and the dtype that dequantize() gives, change.
void LinearImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}

void LinearImpl::to(torch::Dtype dtype, bool non_blocking) {
  if (!quantized_) return Cloneable::to(dtype, non_blocking);
  quantized_->dtype = from_torch(dtype);
  if (bias.defined()) bias.set_data(bias.to(dtype, non_blocking));
}

void LinearImpl::to(torch::Device device, bool non_blocking) {
  if (!device.is_cpu()) unpack();
  Cloneable::to(device, non_blocking);
}

void LinearImpl::save(torch::serialize::OutputArchive& archive) const {
  for (const auto& parameter : named_parameters(/*recurse=*/false)) {
    archive.write(parameter.key(), parameter.value());
  }
  if (quantized_) write_state(unpacked(*quantized_), archive);
}

void LinearImpl::load(torch::serialize::InputArchive& archive) {
  QuantizedState state{};
  state.n = options.out_features();
  state.k = options.in_features();
  if (read_state(state, archive)) {
    install(moved(std::move(state), device()));
  } else if (quantized_) {
    reset();
  }
  for (auto& parameter : named_parameters(/*recurse=*/false)) {
    archive.read(parameter.key(), parameter.value());
  }
}

torch::Device LinearImpl::device() const {
  return quantized_ ? quantized_->codes.device() : weight.device();
}

// Puts the tensors of `state` in the place of the weight.
void LinearImpl::install(const QuantizedState& state) {
  clear_quantized_state();
  if (parameters_.contains("weight")) parameters_.erase("weight");
  weight = torch::Tensor();
  quantized_ = std::make_shared<QuantizedState>(state);
  for (const auto& [name, tensor] : quantized_->tensors()) {
    if (tensor->defined()) set_buffer(name, *tensor);
  }
}

// A module's buffers cannot be removed, so those of an earlier scheme stay, empty.
void LinearImpl::clear_quantized_state() {
  if (!quantized_) return;
  quantized_.reset();
  for (auto& buffer : named_buffers(/*recurse=*/false)) {
    buffer->set_data(torch::empty({0}, buffer->options()));
  }
}

// Registers `tensor`, or puts it where a buffer of that name is, and makes `tensor` that buffer.
void LinearImpl::set_buffer(const std::string& name, torch::Tensor& tensor) {
  auto buffers = named_buffers(/*recurse=*/false);
  if (torch::Tensor* existing = buffers.find(name)) {
    existing->set_data(tensor);
    tensor = *existing;
  } else {
    register_buffer(name, tensor);
  }
}

}  // namespace lowp::nn
