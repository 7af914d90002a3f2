#include "kernels/linear_w8a8/linear_w8a8.h"

#include <cmath>

#include "formats/affine.h"
#include "ops/grouped_linear.h"
#include "ops/int8_activations.h"
#include "ops/linear.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_w8a8";
constexpr char kGrouped[] = "lowp::grouped_linear_w8a8";
// The sum fits int32: 128 * 128 * K, and with zero points (128 + 127) * 128 * K.
constexpr std::int64_t kMaxColumns = 131071;
constexpr std::int64_t kMaxColumnsAsymmetric = 65793;

using OptionalTensor = std::optional<Tensor>;
using OptionalString = std::optional<std::string>;

kernels::LinearW8A8Args check(const LinearOperands& operands, const Int8Activations& activations,
                              const Tensor& weight, const Tensor& weight_scale,
                              const Tensor& weight_row_sums) {
  const std::int64_t n = operands.out.cols;
  const std::int64_t k = operands.x.cols;
  const std::int64_t most = activations.asymmetric() ? kMaxColumnsAsymmetric : kMaxColumns;
  if (k > most) {
    fail(operands.operation, "weight has too many columns", std::to_string(k),
         concat({"at most ", std::to_string(most)}));
  }
  check_dense({operands.operation, "weight_scale", weight_scale}, ScalarType::Float,
              operands.experts, {n, 1});
  check_dense({operands.operation, "weight_row_sums", weight_row_sums}, ScalarType::Int,
              operands.experts, {n});
  return {
      .x = activations.codes(),
      .x_scale = activations.scale(),
      .x_zero_point = activations.zero_point(),
      .m = operands.x.rows,
      .n = n,
      .k = k,
      .weight = data<std::int8_t>(weight),
      .weight_scale = data<float>(weight_scale),
      .weight_row_sums = data<std::int32_t>(weight_row_sums),
      .bias = operands.bias,
      .out = operands.out,
      .parallel = torch_pool(),
  };
}

// The operator's arguments but x and out.
struct Call {
  const Tensor& weight;
  const Tensor& weight_scale;
  const Tensor& weight_row_sums;
  const OptionalTensor& bias;
  std::string_view activation_mapping;
  bool activation_per_tensor;
  const OptionalTensor& activation_scale;
  const OptionalTensor& activation_zero_point;
  const OptionalTensor& activation_pre_scale;
  const OptionalString& output_activation;
  const OptionalTensor& out_scale;
};

const float* check_positive(const char* name, const Tensor& scale) {
  check_dense({kName, name, scale}, ScalarType::Float, {1});
  const auto* value = data<float>(scale);
  if (*value > 0 && std::isfinite(*value)) return value;
  fail(kName, concat({name, " is not a scale"}), std::to_string(*value), "a positive number");
}

Int8Recipe check_recipe(const Call& call, std::int64_t k, bool x_is_int8) {
  Int8Recipe recipe{check_asymmetric_activations(kName, call.activation_mapping)};
  recipe.per_tensor = call.activation_per_tensor;
  if (call.activation_scale)
    recipe.scale = check_positive("activation_scale", *call.activation_scale);
  if (x_is_int8 && !call.activation_scale) {
    fail(kName, "activation_scale is missing", "none", "float32 of (1) where x is int8");
  }
  if (call.activation_zero_point.has_value() != (recipe.asymmetric && recipe.scale != nullptr)) {
    fail(kName, "activation_zero_point does not go with the mapping and activation_scale",
         call.activation_zero_point ? "a tensor" : "none",
         "int8 of (1) with activation_scale and asymmetric, else none");
  }
  if (call.activation_zero_point) {
    const Argument zero_point{kName, "activation_zero_point", *call.activation_zero_point};
    check_dense(zero_point, ScalarType::Char, {1});
    recipe.zero_point = data<std::int8_t>(*call.activation_zero_point);
  }
  if (call.activation_pre_scale) {
    const Argument pre_scale{kName, "activation_pre_scale", *call.activation_pre_scale};
    check_dense(pre_scale, ScalarType::Float, {k});
    if (x_is_int8) fail(kName, "activation_pre_scale does not go with x", "int8", "a float x");
    recipe.pre_scale = data<float>(*call.activation_pre_scale);
  }
  return recipe;
}

kernels::Epilogue check_epilogue(const Call& call, DType out) {
  using enum kernels::Activation;
  kernels::Epilogue epilogue;
  if (call.output_activation) {
    epilogue.activation = check_choice<kernels::Activation>(
        kName, "output_activation", *call.output_activation,
        {{"relu", kRelu}, {"gelu", kGelu}, {"gelu_tanh", kGeluTanh}, {"silu", kSilu}});
  }
  if (call.out_scale.has_value() != (out == DType::kI8)) {
    fail(kName, "out_scale does not go with out", call.out_scale ? "a tensor" : "none",
         "float32 of (1) where out is int8, else none");
  }
  if (call.out_scale) {
    epilogue.reciprocal_scale = affine_reciprocal(*check_positive("out_scale", *call.out_scale));
  }
  return epilogue;
}

// The checked call; its pointers are into x, the tensors of the call, and `activations`.
struct Prepared {
  LinearOperands operands;
  Int8Recipe recipe;
  Int8Activations activations;
  kernels::LinearW8A8Args args;

  Prepared(const Tensor& x, const Call& call, WeightShape weight, const Tensor& out)
      : operands(check_linear(kName, x, weight.n, weight.k, call.bias, out, /*experts=*/0,
                              /*int8_too=*/true)),
        recipe(check_recipe(call, weight.k, operands.x.dtype == DType::kI8)),
        activations(operands.x.rows, weight.k, recipe.asymmetric),
        args(check(operands, activations, call.weight, call.weight_scale, call.weight_row_sums)) {
    args.epilogue = check_epilogue(call, operands.out.dtype);
    if (operands.x.dtype == DType::kI8) args.x = static_cast<const std::int8_t*>(operands.x.data);
  }
};

WeightShape shape_of(const Tensor& weight) {
  return check_weight({kName, "weight", weight}, ScalarType::Char);
}

Tensor make_output(const Tensor& x, const Call& call) {
  std::optional<ScalarType> dtype;
  if (call.out_scale) {
    dtype = ScalarType::Char;
  } else if (x.scalar_type() == ScalarType::Char) {
    dtype = ScalarType::Float;
  }
  return empty_output(kName, x, shape_of(call.weight).n, dtype);
}

void run(const Tensor& x, const Call& call, const Tensor& out) {
  const Prepared prepared(x, call, shape_of(call.weight), out);
  if (prepared.operands.x.dtype == DType::kI8) {
    prepared.activations.set_static(prepared.args.m, prepared.recipe);
  } else {
    prepared.activations.quantize(prepared.operands.x, prepared.recipe);
  }
  kernels::linear_w8a8(prepared.args);
}

void linear_w8a8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                     const Tensor& weight_row_sums, const OptionalTensor& bias,
                     std::string_view activation_mapping, bool activation_per_tensor,
                     const OptionalTensor& activation_scale,
                     const OptionalTensor& activation_zero_point,
                     const OptionalTensor& activation_pre_scale,
                     const OptionalString& output_activation, const OptionalTensor& out_scale,
                     const Tensor& out) {
  run(x,
      {weight, weight_scale, weight_row_sums, bias, activation_mapping, activation_per_tensor,
       activation_scale, activation_zero_point, activation_pre_scale, output_activation, out_scale},
      out);
}

Tensor linear_w8a8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                   const Tensor& weight_row_sums, const OptionalTensor& bias,
                   std::string_view activation_mapping, bool activation_per_tensor,
                   const OptionalTensor& activation_scale,
                   const OptionalTensor& activation_zero_point,
                   const OptionalTensor& activation_pre_scale,
                   const OptionalString& output_activation, const OptionalTensor& out_scale) {
  const Call call{weight,
                  weight_scale,
                  weight_row_sums,
                  bias,
                  activation_mapping,
                  activation_per_tensor,
                  activation_scale,
                  activation_zero_point,
                  activation_pre_scale,
                  output_activation,
                  out_scale};
  const Tensor out = make_output(x, call);
  run(x, call, out);
  return out;
}

std::string linear_w8a8_implementation(
    const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
    const Tensor& weight_row_sums, const OptionalTensor& bias, std::string_view activation_mapping,
    bool activation_per_tensor, const OptionalTensor& activation_scale,
    const OptionalTensor& activation_zero_point, const OptionalTensor& activation_pre_scale,
    const OptionalString& output_activation, const OptionalTensor& out_scale) {
  const Call call{weight,
                  weight_scale,
                  weight_row_sums,
                  bias,
                  activation_mapping,
                  activation_per_tensor,
                  activation_scale,
                  activation_zero_point,
                  activation_pre_scale,
                  output_activation,
                  out_scale};
  const Prepared prepared(x, call, shape_of(weight), make_output(x, call));
  return kernels::choose("linear_w8a8", kernels::linear_w8a8_implementations(), prepared.args).name;
}

void grouped_linear_w8a8_out(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                             const Tensor& weight_scale, const Tensor& weight_row_sums,
                             const std::optional<Tensor>& bias, std::string_view activation_mapping,
                             const Tensor& out) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const LinearOperands operands = check_linear(kGrouped, x, n, k, bias, out, experts);
  const kernels::RowGroups groups = check_offsets(operands, offsets);
  const Int8Activations activations(operands.x.rows, k,
                                    check_asymmetric_activations(kGrouped, activation_mapping));
  const auto args = check(operands, activations, weight, weight_scale, weight_row_sums);
  activations.quantize(operands.x);
  kernels::grouped_linear(args, groups);
}

Tensor grouped_linear_w8a8(const Tensor& x, const Tensor& offsets, const Tensor& weight,
                           const Tensor& weight_scale, const Tensor& weight_row_sums,
                           const std::optional<Tensor>& bias, std::string_view activation_mapping) {
  const auto [n, k, experts] = check_expert_weight({kGrouped, "weight", weight}, ScalarType::Char);
  const Tensor out = empty_output(kGrouped, x, n);
  grouped_linear_w8a8_out(x, offsets, weight, weight_scale, weight_row_sums, bias,
                          activation_mapping, out);
  return out;
}

}  // namespace

// weight (N, K) int8; weight_scale (N, 1) float32; weight_row_sums (N) int32, the sums of the
// weight's rows; bias (N).
// x (*, K), times activation_pre_scale (K) float32 if there is one, is quantized to int8 inside,
// per token or with one scale for all; activation_mapping "symmetric" or "asymmetric". With
// activation_scale (1) float32 (and activation_zero_point (1) int8 if asymmetric) nothing is
// measured, and x may be int8, codes of this scale.
// output_activation None, "relu", "gelu", "gelu_tanh" or "silu". Returns (*, N) of x's dtype
// (float32 for codes); with out_scale (1) float32 int8, the codes of this scale.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  define_linear(library, "linear_w8a8",
                "Tensor x, Tensor weight, Tensor weight_scale, Tensor weight_row_sums, "
                "Tensor? bias=None, str activation_mapping='symmetric', "
                "bool activation_per_tensor=False, Tensor? activation_scale=None, "
                "Tensor? activation_zero_point=None, Tensor? activation_pre_scale=None, "
                "str? output_activation=None, Tensor? out_scale=None");
  define_grouped_linear(library, "grouped_linear_w8a8",
                        "Tensor weight, Tensor weight_scale, Tensor weight_row_sums, Tensor? "
                        "bias=None, str activation_mapping='symmetric'");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("linear_w8a8", TORCH_BOX(&linear_w8a8));
  library.impl("linear_w8a8.out", TORCH_BOX(&linear_w8a8_out));
  library.impl("linear_w8a8.implementation", TORCH_BOX(&linear_w8a8_implementation));
  library.impl("grouped_linear_w8a8", TORCH_BOX(&grouped_linear_w8a8));
  library.impl("grouped_linear_w8a8.out", TORCH_BOX(&grouped_linear_w8a8_out));
}

}  // namespace lowp::ops
