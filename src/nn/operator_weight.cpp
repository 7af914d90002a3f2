#include "nn/operator_weight.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "formats/affine.h"
#include "formats/e4m3.h"
#include "formats/fp8_scale.h"
#include "formats/nvfp4.h"
#include "lowp/error.h"

namespace lowp::nn {
namespace {

using torch::Tensor;
using OptionalTensor = std::optional<Tensor>;
using OptionalDType = std::optional<torch::ScalarType>;

template <class Signature>
c10::TypedOperatorHandle<Signature> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

std::string_view name(Mapping mapping) {
  if (mapping == Mapping::kAsymmetric) return "asymmetric";
  return mapping == Mapping::kFloatZero ? "float_zero" : "symmetric";
}

std::string_view name(MxScaleMode mode) {
  constexpr std::string_view kNames[] = {"floor", "ceil", "even", "rceil"};
  return kNames[static_cast<std::size_t>(mode)];
}

// The block as the operators name it, -1 for a whole side.
std::array<std::int64_t, 2> block_of(const Scheme& scheme) {
  switch (scheme.granularity) {
    case Granularity::kTensor:
      return {-1, -1};
    case Granularity::kRow:
      return {1, -1};
    case Granularity::kGroup:
      return {1, scheme.group_size};
    case Granularity::kBlock128:
      return {128, 128};
  }
  return {-1, -1};
}

OptionalTensor if_defined(const Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

Tensor one_on(const Tensor& like, float value) {
  return torch::full({1}, value, like.options().dtype(torch::kFloat32));
}

[[noreturn]] void fail_on_gpu(const Scheme& scheme) {
  throw Error("[nn::Linear] the scheme has no kernels for CUDA, got " + std::string(scheme.name) +
              ", expected a weight on the CPU");
}

void quantize_int8(QuantizedState& state, const Tensor& weight) {
  static const auto op =
      find<std::tuple<Tensor, Tensor, Tensor>(const Tensor&, c10::IntArrayRef, std::string_view,
                                              OptionalDType, double)>("lowp::quantize_int8");
  Tensor zero_point;
  std::tie(state.codes, state.scale, zero_point) =
      op.call(weight, block_of(state.scheme), name(state.scheme.mapping),
              to_torch(state.scale_dtype), kFp32Epsilon);
  if (state.scheme.granularity == Granularity::kTensor) {
    state.scale = state.scale.expand({state.n, 1}).contiguous();
  }
}

void quantize_int4(QuantizedState& state, const Tensor& weight) {
  static const auto op = find<std::tuple<Tensor, Tensor, Tensor, Tensor>(
      const Tensor&, std::int64_t, std::string_view, OptionalDType, double)>("lowp::quantize_int4");
  const Mapping mapping = state.scheme.mapping;
  Tensor zero_point, zero;
  std::tie(state.codes, state.scale, zero_point, zero) = op.call(
      weight, state.scheme.group_size, name(mapping), to_torch(state.scale_dtype), kFp32Epsilon);
  // As make_state: the values are bfloat16's already.
  const bool narrow = state.scale_dtype == DType::kBF16;
  if (narrow) state.scale = state.scale.to(torch::kBFloat16);
  if (mapping == Mapping::kAsymmetric) state.zero_point = zero_point;
  if (mapping == Mapping::kFloatZero) state.zero = narrow ? zero.to(torch::kBFloat16) : zero;
}

void quantize_fp8(QuantizedState& state, const Tensor& weight, std::optional<float> amax) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, c10::IntArrayRef, std::string_view,
                                      OptionalDType, const OptionalTensor&, bool)>(
          "lowp::quantize_fp8");
  OptionalTensor scale;
  if (amax && state.scheme.granularity == Granularity::kTensor) {
    scale = one_on(weight, fp8_scale<E4m3>(state.scale_dtype, *amax)).view({1, 1});
  }
  std::tie(state.codes, state.scale) =
      op.call(weight, block_of(state.scheme), "e4m3", to_torch(state.scale_dtype), scale,
              /*power_of_two=*/false);
}

void quantize_mx(QuantizedState& state, const Tensor& weight, MxScaleMode mode) {
  static const auto op =
      find<std::tuple<Tensor, Tensor>(const Tensor&, std::string_view, std::string_view,
                                      std::int64_t, std::int64_t, bool)>("lowp::quantize_mx");
  const bool fp8 = state.scheme.weight == WeightFormat::kMxfp8;
  std::tie(state.codes, state.scale) =
      op.call(weight, fp8 ? "e4m3" : "e2m1", name(mode), state.scheme.group_size, /*dim=*/1,
              /*swizzled=*/false);
}

void quantize_nvfp4(QuantizedState& state, const Tensor& weight, std::optional<float> amax) {
  static const auto op = find<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, std::string_view, std::optional<double>, const OptionalTensor&, bool)>(
      "lowp::quantize_nvfp4");
  OptionalTensor scale;
  if (amax) scale = one_on(weight, nvfp4_inference_scale(*amax).decode);
  std::tie(state.codes, state.scale, state.tensor_scale) =
      op.call(weight, "inference", std::nullopt, scale, /*swizzled=*/false);
}

}  // namespace

QuantizedState quantize_by_operators(const Scheme& scheme, const Tensor& weight,
                                     const QuantizeWeightOptions& options,
                                     const ActivationOptions& activation) {
  const bool fp8 = scheme.weight == WeightFormat::kFp8;
  QuantizedState state;
  state.scheme = scheme;
  state.n = weight.size(0);
  state.k = weight.size(1);
  state.dtype = from_torch(weight.scalar_type());
  state.scale_dtype = options.scale_dtype.value_or(fp8 ? DType::kF32 : state.dtype);
  switch (scheme.weight) {
    case WeightFormat::kInt8:
      quantize_int8(state, weight);
      break;
    case WeightFormat::kInt4:
      quantize_int4(state, weight);
      break;
    case WeightFormat::kIntx:
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      fail_on_gpu(scheme);
    case WeightFormat::kFp8:
      quantize_fp8(state, weight, options.amax);
      break;
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4:
      quantize_mx(state, weight, options.mx_scale_mode);
      break;
    case WeightFormat::kNvfp4:
      quantize_nvfp4(state, weight, options.amax);
      break;
  }
  set_activation(state, activation);
  set_row_sums(state);
  return state;
}

Tensor dequantize_by_operators(const QuantizedState& state, torch::ScalarType dtype) {
  using WithBlock = Tensor(const Tensor&, const Tensor&, c10::IntArrayRef, OptionalDType);
  switch (state.scheme.weight) {
    case WeightFormat::kInt8: {
      static const auto op =
          find<Tensor(const Tensor&, const Tensor&, c10::IntArrayRef, const OptionalTensor&,
                      OptionalDType)>("lowp::dequantize_int8");
      const bool groups = state.scheme.granularity == Granularity::kGroup;
      const std::array<std::int64_t, 2> block{1, groups ? state.scheme.group_size : -1};
      return op.call(state.codes, state.scale, block, std::nullopt, dtype);
    }
    case WeightFormat::kInt4: {
      static const auto op =
          find<Tensor(const Tensor&, const Tensor&, const OptionalTensor&, const OptionalTensor&,
                      OptionalDType)>("lowp::dequantize_int4");
      OptionalTensor zero;
      if (state.zero.defined()) zero = state.zero.to(torch::kFloat32);
      return op.call(state.codes, state.scale.to(torch::kFloat32), if_defined(state.zero_point),
                     zero, dtype);
    }
    case WeightFormat::kIntx:
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      fail_on_gpu(state.scheme);
    case WeightFormat::kFp8: {
      static const auto op = find<WithBlock>("lowp::dequantize_fp8");
      return op.call(state.codes, state.scale, block_of(state.scheme), dtype);
    }
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4: {
      static const auto op =
          find<Tensor(const Tensor&, const Tensor&, std::string_view, OptionalDType)>(
              "lowp::dequantize_mx");
      const bool fp8 = state.scheme.weight == WeightFormat::kMxfp8;
      return op.call(state.codes, state.scale, fp8 ? "e4m3" : "e2m1", dtype);
    }
    case WeightFormat::kNvfp4: {
      static const auto op =
          find<Tensor(const Tensor&, const Tensor&, const Tensor&, OptionalDType)>(
              "lowp::dequantize_nvfp4");
      return op.call(state.codes, state.scale, state.tensor_scale, dtype);
    }
  }
  return {};
}

double sqnr_db(const QuantizedState& state, const Tensor& weight) {
  const Tensor x = weight.to(torch::kFloat32);
  const Tensor error = x - dequantize_by_operators(state, torch::kFloat32);
  const Tensor finite = error.isfinite();  // before and after
  const auto sum_of_squares = [&](const Tensor& values) {
    return values.square().mul(finite).nan_to_num(0.0).sum(torch::kFloat64);
  };
  const Tensor sums = torch::stack({sum_of_squares(x), sum_of_squares(error)}).cpu();
  const double signal = sums[0].item<double>(), noise = sums[1].item<double>();
  if (noise == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(signal / noise);
}

std::int64_t byte_count(const QuantizedState& state) {
  QuantizedState copy = state;
  const bool one = state.scheme.granularity == Granularity::kTensor;
  const bool floats = state.scheme.weight == WeightFormat::kInt8 ||
                      state.scheme.weight == WeightFormat::kInt4 ||
                      state.scheme.weight == WeightFormat::kFp8;
  std::size_t bytes = 0;
  for (const auto& [key, tensor] : copy.tensors()) {
    const bool of_weight = std::string_view(key).starts_with("weight_");
    if (!tensor->defined() || !of_weight || tensor == &copy.row_sums) continue;
    const bool scale = floats && (tensor == &copy.scale || tensor == &copy.zero);
    const auto count = static_cast<std::size_t>(scale && one ? 1 : tensor->numel());
    bytes += scale ? count * static_cast<std::size_t>(bits(state.scale_dtype)) / 8
                   : count * tensor->element_size();
  }
  return static_cast<std::int64_t>(bytes);
}

}  // namespace lowp::nn
