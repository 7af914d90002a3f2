// The forward pass of a quantized nn::Linear: the scheme's operator, called through the dispatcher
// in its `out` form, and a backward pass through the dequantized weight.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include "lowp/cuda.h"
#include "lowp/error.h"
#include "nn/quantized_state.h"

namespace lowp::nn {
namespace {

using torch::Tensor;
using OptionalTensor = std::optional<Tensor>;

template <class Signature>
c10::TypedOperatorHandle<Signature> out_form(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "out").typed<Signature>();
}

OptionalTensor optional(const Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

// The float8 operators' name for a granularity.
std::array<std::int64_t, 2> weight_block(Granularity granularity) {
  if (granularity == Granularity::kTensor) return {-1, -1};
  if (granularity == Granularity::kRow) return {1, -1};
  return {128, 128};
}

void run_int8(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
              Tensor& out) {
  if (state.scheme.activation == ActivationFormat::kInt8Row) {
    static const auto op = out_form<void(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
        std::string_view, bool, const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
        std::optional<std::string_view>, const OptionalTensor&, Tensor&)>("lowp::linear_w8a8");
    op.call(x, state.codes, state.scale, state.row_sums, bias, state.activation.mapping,
            state.activation.per_tensor, optional(state.activation_scale),
            optional(state.activation_zero_point), optional(state.activation_pre_scale),
            /*output_activation=*/std::nullopt, /*out_scale=*/std::nullopt, out);
  } else {
    static const auto op =
        out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, Tensor&)>(
            "lowp::linear_w8a16");
    op.call(x, state.codes, state.scale, bias, out);
  }
}

void run_int4(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
              Tensor& out) {
  if (state.scheme.activation == ActivationFormat::kInt8Row) {
    static const auto op =
        out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
                      const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                      std::string_view, Tensor&)>("lowp::linear_w4a8");
    op.call(x, state.codes, state.scale, optional(state.row_sums), optional(state.zero_point),
            optional(state.zero), bias, state.activation.mapping, out);
    return;
  }
  using Signature = void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
                         const OptionalTensor&, const OptionalTensor&, Tensor&);
  static const auto dynamic = out_form<Signature>("lowp::linear_w4afp8");
  static const auto weight_only = out_form<Signature>("lowp::linear_w4a16");
  const auto& op = state.scheme.activation == ActivationFormat::kNone ? weight_only : dynamic;
  op.call(x, state.codes, state.scale, optional(state.zero_point), optional(state.zero), bias, out);
}

void check_on_cpu(const QuantizedState& state, const Tensor& x) {
  if (x.is_cuda()) {
    throw Error("[nn::Linear] the scheme has no kernels for CUDA, got x on a GPU and " +
                std::string(state.scheme.name) + ", expected the layer and x on the CPU");
  }
}

void run_intx(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
              Tensor& out) {
  check_on_cpu(state, x);
  if (state.scheme.activation == ActivationFormat::kInt8Row) {
    static const auto op =
        out_form<void(const Tensor&, const Tensor&, const Tensor&, std::int64_t,
                      const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                      std::string_view, Tensor&)>("lowp::linear_wna8");
    op.call(x, state.codes, state.scale, state.scheme.bits, optional(state.row_sums),
            optional(state.zero_point), bias, state.activation.mapping, out);
    return;
  }
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, const Tensor&, std::int64_t,
                    const OptionalTensor&, const OptionalTensor&, const OptionalTensor&, Tensor&)>(
          "lowp::linear_wna16");
  op.call(x, state.codes, state.scale, state.scheme.bits, optional(state.zero_point),
          optional(state.zero), bias, out);
}

void run_fp8(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
             Tensor& out) {
  using Signature = void(const Tensor&, const Tensor&, const Tensor&, c10::IntArrayRef,
                         const OptionalTensor&, Tensor&);
  static const auto dynamic = out_form<Signature>("lowp::linear_fp8");
  static const auto weight_only = out_form<Signature>("lowp::linear_fp8_weight_only");
  const auto block = weight_block(state.scheme.granularity);
  const auto& op = state.scheme.activation == ActivationFormat::kNone ? weight_only : dynamic;
  op.call(x, state.codes, state.scale, block, bias, out);
}

void run_mxfp8(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
               Tensor& out) {
  if (state.scheme.activation == ActivationFormat::kNone) {
    static const auto op =
        out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, Tensor&)>(
            "lowp::linear_mxfp8_weight_only");
    op.call(x, state.codes, state.scale, bias, out);
    return;
  }
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
                    std::string_view, Tensor&)>("lowp::linear_mxfp8");
  op.call(x, state.codes, state.scale, bias, state.activation.scaling_mode, out);
}

void run_mxfp6(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
               Tensor& out) {
  check_on_cpu(state, x);
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
                    std::string_view, Tensor&)>("lowp::linear_mxfp6");
  op.call(x, state.codes, state.scale, bias, fp6_name(state.scheme.weight), out);
}

void run_mxfp4(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
               Tensor& out) {
  static const auto op =
      out_form<void(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, Tensor&)>(
          "lowp::linear_mxfp4");
  op.call(x, state.codes, state.scale, bias, out);
}

void run_nvfp4(const QuantizedState& state, const Tensor& x, const OptionalTensor& bias,
               Tensor& out) {
  static const auto op = out_form<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                       const OptionalTensor&, Tensor&)>("lowp::linear_nvfp4");
  op.call(x, state.codes, state.scale, state.tensor_scale, bias, out);
}

struct StateHolder : torch::CustomClassHolder {
  explicit StateHolder(std::shared_ptr<const QuantizedState> state) : state(std::move(state)) {}
  std::shared_ptr<const QuantizedState> state;
};

// The forward pass in low precision, the backward pass in that of the gradient: dx = dy W with W
// dequantized when it is needed, so that the graph holds no copy of it.
struct QuantizedLinearFunction : torch::autograd::Function<QuantizedLinearFunction> {
  // bias: an undefined Tensor would be taken for a variable, and has no device to be one.
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const OptionalTensor& bias, const c10::intrusive_ptr<StateHolder>& holder) {
    context->saved_data["state"] = c10::IValue::make_capsule(holder);
    context->saved_data["has_bias"] = bias.has_value();
    if (bias) context->saved_data["bias_dtype"] = bias->scalar_type();
    return run_linear(*holder->state, x, bias.value_or(Tensor()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["state"].toCapsule();
    const auto& state = *static_cast<const StateHolder*>(holder.get())->state;
    const Tensor& dy = gradients[0];
    Tensor dx;
    Tensor dbias;
    if (context->needs_input_grad(0)) dx = dy.matmul(dequantize(state, dy.scalar_type()));
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(1)) {
      dbias = dy.reshape({-1, state.n}).sum(0).to(context->saved_data["bias_dtype"].toScalarType());
    }
    return {dx, dbias, Tensor()};
  }
};

}  // namespace

Tensor run_linear(const QuantizedState& state, const Tensor& x, const Tensor& bias) {
  if (x.dim() == 0) {
    throw Error("[nn::Linear] the input has no dimensions, got a scalar, expected (*, " +
                std::to_string(state.k) + ")");
  }
  if (x.is_cuda()) require_cuda_operators();
  c10::DimVector shape(x.sizes());
  shape.back() = state.n;
  Tensor out = at::empty(shape, x.options());
  const OptionalTensor maybe_bias = optional(bias);
  switch (state.scheme.weight) {
    case WeightFormat::kInt8:
      run_int8(state, x, maybe_bias, out);
      break;
    case WeightFormat::kInt4:
      run_int4(state, x, maybe_bias, out);
      break;
    case WeightFormat::kIntx:
      run_intx(state, x, maybe_bias, out);
      break;
    case WeightFormat::kFp8:
      run_fp8(state, x, maybe_bias, out);
      break;
    case WeightFormat::kMxfp8:
      run_mxfp8(state, x, maybe_bias, out);
      break;
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      run_mxfp6(state, x, maybe_bias, out);
      break;
    case WeightFormat::kMxfp4:
      run_mxfp4(state, x, maybe_bias, out);
      break;
    case WeightFormat::kNvfp4:
      run_nvfp4(state, x, maybe_bias, out);
      break;
  }
  return out;
}

Tensor differentiable_linear(const std::shared_ptr<const QuantizedState>& state, const Tensor& x,
                             const Tensor& bias) {
  return QuantizedLinearFunction::apply(x, optional(bias), c10::make_intrusive<StateHolder>(state));
}

}  // namespace lowp::nn
