#include "nn/packed_state.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/types.h>

namespace lowp::nn {
namespace {

using torch::Tensor;

Tensor call(const char* name, const Tensor& tensor) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow(name, "")
      .typed<Tensor(const Tensor&)>()
      .call(tensor);
}

}  // namespace

bool can_pack(const QuantizedState& state) {
  const WeightFormat format = state.scheme.weight;
  const bool known = format == WeightFormat::kNvfp4 || format == WeightFormat::kMxfp4;
  return known && state.scheme.activation == ActivationFormat::kNone && state.codes.is_cpu() &&
         state.n % 8 == 0;
}

PackedTensors pack_tensors(const QuantizedState& state) {
  return {call("lowp::pack_weight", state.codes), call("lowp::pack_scale", state.scale)};
}

PackedTensors unpack_tensors(const QuantizedState& state) {
  if (!is_packed(state)) return {state.codes, state.scale};
  return {call("lowp::unpack_weight", state.codes), call("lowp::unpack_scale", state.scale)};
}

QuantizedState unpacked(QuantizedState state) {
  const auto [codes, scale] = unpack_tensors(state);
  state.codes = codes;
  state.scale = scale;
  return state;
}

}  // namespace lowp::nn
