#include "nn/quantized_state.h"

#include <torch/types.h>

#include <cstring>

#include "lowp/cuda.h"
#include "lowp/error.h"
#include "nn/operator_weight.h"
#include "nn/packed_state.h"
#include "nn/torch_threads.h"

namespace lowp::nn {
namespace {

struct DTypePair {
  DType lowp;
  torch::ScalarType torch;
};
constexpr DTypePair kFloats[] = {{DType::kF32, torch::kFloat32},
                                 {DType::kF16, torch::kFloat16},
                                 {DType::kBF16, torch::kBFloat16}};

torch::ScalarType codes_dtype(WeightFormat format) {
  if (format == WeightFormat::kInt8) return torch::kInt8;
  if (format == WeightFormat::kFp8 || format == WeightFormat::kMxfp8) return torch::kFloat8_e4m3fn;
  return torch::kUInt8;
}

torch::ScalarType block_scale_dtype(WeightFormat format) {
  return format == WeightFormat::kNvfp4 ? torch::kFloat8_e4m3fn : torch::kFloat8_e8m0fnu;
}

template <class T>
torch::Tensor copy_in(const std::vector<T>& values, std::int64_t rows, torch::ScalarType dtype) {
  const auto count = static_cast<std::int64_t>(values.size());
  torch::Tensor tensor = torch::empty({rows, count / rows}, dtype);
  std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(T));
  return tensor;
}

template <class T>
std::vector<T> copy_out(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const torch::Tensor dense = tensor.cpu().contiguous();
  const auto* begin = static_cast<const T*>(dense.data_ptr());
  return {begin, begin + dense.numel()};
}

std::vector<float> copy_out_floats(const torch::Tensor& tensor, std::int64_t count) {
  if (!tensor.defined()) return {};
  return copy_out<float>(tensor.flatten().slice(0, 0, count).to(torch::kFloat32));
}

// The operators take scales of 1 to 7 bits in bfloat16 too: half the bytes to read for each group.
torch::Tensor scale_tensor(const QuantizedWeight& weight, const std::vector<float>& values,
                           std::int64_t rows) {
  const torch::Tensor scale = copy_in(values, rows, torch::kFloat32);
  const bool takes_narrow =
      weight.scheme.weight == WeightFormat::kInt4 || weight.scheme.weight == WeightFormat::kIntx;
  const bool narrow = takes_narrow && weight.scale_dtype == DType::kBF16;
  return narrow ? scale.to(torch::kBFloat16) : scale;
}

}  // namespace

std::array<std::pair<const char*, torch::Tensor*>, 9> QuantizedState::tensors() {
  return {{{"weight_codes", &codes},
           {"weight_scale", &scale},
           {"weight_zero_point", &zero_point},
           {"weight_zero", &zero},
           {"weight_tensor_scale", &tensor_scale},
           {"weight_row_sums", &row_sums},
           {"activation_scale", &activation_scale},
           {"activation_zero_point", &activation_zero_point},
           {"activation_pre_scale", &activation_pre_scale}}};
}

QuantizedState make_state(const QuantizedWeight& weight, const ActivationOptions& activation) {
  QuantizedState state;
  state.scheme = weight.scheme;
  state.n = weight.n;
  state.k = weight.k;
  state.dtype = weight.dtype;
  state.scale_dtype = weight.scale_dtype;
  state.reciprocal_tensor_scale = weight.reciprocal_tensor_scale;

  const WeightFormat format = weight.scheme.weight;
  state.codes = copy_in(weight.codes, weight.n, codes_dtype(format));
  if (!weight.scale.empty()) {
    const kernels::Block block = scale_block(weight.scheme, weight.n, weight.k);
    const std::int64_t rows = (weight.n + block.rows - 1) / block.rows;
    state.scale = scale_tensor(weight, weight.scale, rows);
    if (!weight.zero.empty()) state.zero = scale_tensor(weight, weight.zero, rows);
    if (!weight.zero_point.empty()) {
      state.zero_point = copy_in(weight.zero_point, rows, torch::kInt8);
    }
  } else {
    state.scale = copy_in(weight.block_scale, weight.n, block_scale_dtype(format));
  }
  if (format == WeightFormat::kInt8 && weight.scheme.granularity == Granularity::kTensor) {
    state.scale = state.scale.expand({weight.n, 1}).contiguous();
  }
  if (format == WeightFormat::kNvfp4) state.tensor_scale = torch::full({1}, weight.tensor_scale);
  set_activation(state, activation);
  set_row_sums(state);
  return state;
}

QuantizedWeight to_weight(const QuantizedState& given) {
  const QuantizedState state = unpacked(given);
  QuantizedWeight weight;
  weight.scheme = state.scheme;
  weight.n = state.n;
  weight.k = state.k;
  weight.dtype = state.dtype;
  weight.scale_dtype = state.scale_dtype;
  weight.reciprocal_tensor_scale = state.reciprocal_tensor_scale;
  weight.codes = copy_out<std::uint8_t>(state.codes.view(torch::kUInt8));
  const WeightFormat format = state.scheme.weight;
  if (is_mx(format) || format == WeightFormat::kNvfp4) {
    weight.block_scale = copy_out<std::uint8_t>(state.scale.view(torch::kUInt8));
  } else {
    const bool one = state.scheme.granularity == Granularity::kTensor;
    weight.scale = copy_out_floats(state.scale, one ? 1 : state.scale.numel());
    weight.zero = copy_out_floats(state.zero, state.scale.numel());
    weight.zero_point = copy_out<std::int8_t>(state.zero_point);
  }
  if (state.tensor_scale.defined()) weight.tensor_scale = state.tensor_scale.item<float>();
  return weight;
}

namespace {

torch::Tensor dequantize_codes(const QuantizedState& state, torch::ScalarType dtype) {
  if (state.codes.is_cuda()) {
    require_cuda_operators();
    return dequantize_by_operators(state, dtype);
  }
  const torch::Tensor out = torch::empty({state.n, state.k}, dtype);
  dequantize_weight(to_weight(state),
                    {out.data_ptr(), from_torch(dtype), state.n, state.k, state.k},
                    torch_threads());
  return out.to(state.codes.device());
}

}  // namespace

torch::Tensor dequantize(const QuantizedState& state, torch::ScalarType dtype) {
  if (!state.activation_pre_scale.defined()) return dequantize_codes(state, dtype);
  return (dequantize_codes(state, torch::kFloat32) * state.activation_pre_scale).to(dtype);
}

void set_activation(QuantizedState& state, const ActivationOptions& activation) {
  state.activation = activation;
  state.activation.pre_scale.clear();
  const auto floats = state.codes.options().dtype(torch::kFloat32);
  if (activation.scale) {
    state.activation_scale = torch::full({1}, *activation.scale, floats);
    if (activation.mapping == "asymmetric") {
      state.activation_zero_point =
          torch::full({1}, activation.zero_point, floats.dtype(torch::kInt8));
    }
  }
  if (!activation.pre_scale.empty()) {
    state.activation_pre_scale =
        torch::tensor(activation.pre_scale, torch::kFloat32).to(state.codes.device());
  }
}

void set_row_sums(QuantizedState& state) {
  if (state.scheme.activation != ActivationFormat::kInt8Row) return;
  if (state.scheme.weight == WeightFormat::kInt8) {
    state.row_sums = state.codes.sum(1, /*keepdim=*/false, torch::kInt32);
  } else if (state.activation.mapping == "asymmetric") {
    const torch::Tensor values = dequantize(state, torch::kFloat32);
    state.row_sums = values.sum(1, /*keepdim=*/false, torch::kFloat64).to(torch::kFloat32);
  }
}

torch::ScalarType to_torch(DType dtype) {
  for (const auto& [lowp, torch] : kFloats) {
    if (lowp == dtype) return torch;
  }
  throw Error("[nn::Linear] the dtype of a weight is not a floating-point one, got " +
              std::string(name(dtype)) + ", expected F32, F16 or BF16");
}

DType from_torch(torch::ScalarType dtype) {
  for (const auto& [lowp, torch] : kFloats) {
    if (torch == dtype) return lowp;
  }
  throw Error("[nn::Linear] the dtype of a weight is not supported, got " +
              std::string(c10::toString(dtype)) + ", expected Float, Half or BFloat16");
}

}  // namespace lowp::nn
