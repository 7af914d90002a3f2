#include "nn/linear_row.h"

#include <torch/types.h>

#include "kernels/linear_bf16/linear_bf16.h"
#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"
#include "kernels/linear_mxfp6/linear_mxfp6.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"
#include "kernels/linear_nvfp4/linear_nvfp4.h"
#include "kernels/linear_w4a16/linear_w4a16.h"
#include "kernels/linear_w8a16/linear_w8a16.h"
#include "kernels/linear_wna16/linear_wna16.h"
#include "nn/packed_state.h"
#include "nn/torch_threads.h"

namespace lowp::nn {
namespace {

using kernels::Matrix;
using kernels::MutableMatrix;
using torch::Tensor;

struct Row {
  Matrix x;
  const float* bias;  // or nullptr
  MutableMatrix out;
};

template <class T>
const T* data(const Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}

void run_int8(const QuantizedState& state, const Row& row) {
  kernels::linear_w8a16({.x = row.x,
                         .weight = data<std::int8_t>(state.codes),
                         .scale = data<float>(state.scale),
                         .group_size = state.k / state.scale.size(1),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads()});
}

void run_int4(const QuantizedState& state, const Row& row) {
  const bool narrow = state.scale.scalar_type() == torch::kBFloat16;
  kernels::linear_w4a16({.x = row.x,
                         .weight = data<std::uint8_t>(state.codes),
                         .scale = data<void>(state.scale),
                         .zero_point = data<std::int8_t>(state.zero_point),
                         .zero = data<void>(state.zero),
                         .scale_dtype = narrow ? DType::kBF16 : DType::kF32,
                         .group_size = state.k / state.scale.size(1),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads()});
}

void run_intx(const QuantizedState& state, const Row& row) {
  const bool narrow = state.scale.scalar_type() == torch::kBFloat16;
  kernels::linear_wna16({.x = row.x,
                         .weight = data<std::uint8_t>(state.codes),
                         .bits = state.scheme.bits,
                         .scale = data<void>(state.scale),
                         .zero_point = data<std::int8_t>(state.zero_point),
                         .zero = nullptr,
                         .scale_dtype = narrow ? DType::kBF16 : DType::kF32,
                         .group_size = state.k / state.scale.size(1),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads()});
}

void run_fp8(const QuantizedState& state, const Row& row) {
  kernels::linear_fp8_weight_only({.x = row.x,
                                   .weight = data<std::uint8_t>(state.codes),
                                   .weight_scale = data<float>(state.scale),
                                   .weight_block = scale_block(state.scheme, state.n, state.k),
                                   .bias = row.bias,
                                   .out = row.out,
                                   .parallel = torch_threads()});
}

void run_mxfp8(const QuantizedState& state, const Row& row) {
  kernels::linear_mxfp8_weight_only({.x = row.x,
                                     .weight = data<std::uint8_t>(state.codes),
                                     .weight_scale = data<std::uint8_t>(state.scale),
                                     .bias = row.bias,
                                     .out = row.out,
                                     .parallel = torch_threads()});
}

void run_mxfp6(const QuantizedState& state, const Row& row) {
  kernels::linear_mxfp6({.x = row.x,
                         .weight = data<std::uint8_t>(state.codes),
                         .element = mx_element(state.scheme.weight),
                         .weight_scale = data<std::uint8_t>(state.scale),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads()});
}

void run_mxfp4(const QuantizedState& state, const Row& row) {
  kernels::linear_mxfp4({.x = row.x,
                         .weight = data<std::uint8_t>(state.codes),
                         .weight_scale = data<std::uint8_t>(state.scale),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads(),
                         .packed = is_packed(state)});
}

void run_nvfp4(const QuantizedState& state, const Row& row) {
  kernels::linear_nvfp4({.x = row.x,
                         .weight = data<std::uint8_t>(state.codes),
                         .weight_block_scale = data<std::uint8_t>(state.scale),
                         .weight_tensor_scale = data<float>(state.tensor_scale),
                         .bias = row.bias,
                         .out = row.out,
                         .parallel = torch_threads(),
                         .packed = is_packed(state)});
}

using Run = void (*)(const QuantizedState&, const Row&);

// nullptr: the operator's matter. Quantized activations need memory of their own, which it has.
Run find_run(const QuantizedState& state) {
  if (state.scheme.activation != ActivationFormat::kNone || !state.codes.is_cpu()) return nullptr;
  switch (state.scheme.weight) {
    case WeightFormat::kInt8:
      return run_int8;
    case WeightFormat::kInt4:
      return run_int4;
    case WeightFormat::kIntx:
      return run_intx;
    case WeightFormat::kFp8:
      return run_fp8;
    case WeightFormat::kMxfp8:
      return run_mxfp8;
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      return run_mxfp6;
    case WeightFormat::kMxfp4:
      return run_mxfp4;
    case WeightFormat::kNvfp4:
      return run_nvfp4;
  }
  return nullptr;
}

bool is_plain_bf16(const LinearImpl& layer, const Row& row) {
  const Tensor& weight = layer.weight;
  return row.x.dtype == DType::kBF16 && weight.scalar_type() == torch::kBFloat16 &&
         weight.is_cpu() && weight.is_contiguous();
}

// Any layer, by the module's own forward.
void forward(LinearImpl& layer, const Row& row) {
  const auto options = torch::dtype(to_torch(row.x.dtype));
  const Tensor x = torch::from_blob(const_cast<void*>(row.x.data), {1, row.x.cols}, options);
  torch::from_blob(row.out.data, {1, row.out.cols}, options).copy_(layer.forward(x));
}

}  // namespace

void linear_row(LinearImpl& layer, const Matrix& x, const MutableMatrix& out) {
  const Tensor bias = layer.bias.defined() ? layer.bias.to(torch::kFloat32) : Tensor();
  const Row row{x, data<float>(bias), out};
  const QuantizedState* state = layer.quantized_state();
  if (state == nullptr) {
    if (layer.is_observed() || !is_plain_bf16(layer, row)) return forward(layer, row);
    return kernels::linear_bf16({.x = x,
                                 .weight = data<std::uint16_t>(layer.weight),
                                 .bias = row.bias,
                                 .out = out,
                                 .parallel = torch_threads()});
  }
  const Run run = find_run(*state);
  if (run == nullptr) return forward(layer, row);
  run(*state, row);
}

}  // namespace lowp::nn
