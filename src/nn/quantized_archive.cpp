// The quantized state of an nn::Linear in torch::save's archives: its tensors as buffers, and what
// they mean under "scheme" and the keys below.
#include <torch/serialize.h>

#include "lowp/error.h"
#include "nn/quantized_state.h"

namespace lowp::nn {
namespace {

constexpr std::pair<Granularity, const char*> kGranularities[] = {
    {Granularity::kTensor, "tensor"},
    {Granularity::kRow, "row"},
    {Granularity::kGroup, "group"},
    {Granularity::kBlock128, "block128"},
};

const char* name(Granularity granularity) {
  return kGranularities[static_cast<std::size_t>(granularity)].second;
}

Granularity granularity_from_name(const std::string& text) {
  for (const auto& [granularity, known] : kGranularities) {
    if (text == known) return granularity;
  }
  throw Error("[nn::Linear] granularity of the archive is not known, got '" + text +
              "', expected tensor, row, group or block128");
}

DType dtype_of(const std::string& text) {
  if (const auto dtype = dtype_from_name(text)) return *dtype;
  throw Error("[nn::Linear] dtype of the archive is not known, got '" + text +
              "', expected F32, F16 or BF16");
}

template <class T>
T read(torch::serialize::InputArchive& archive, const std::string& key) {
  c10::IValue value;
  archive.read(key, value);
  return value.to<T>();
}

}  // namespace

void write_state(const QuantizedState& state, torch::serialize::OutputArchive& archive) {
  archive.write("scheme", std::string(state.scheme.name));
  archive.write("granularity", std::string(name(state.scheme.granularity)));
  archive.write("group_size", state.scheme.group_size);
  archive.write("dtype", std::string(lowp::name(state.dtype)));
  archive.write("scale_dtype", std::string(lowp::name(state.scale_dtype)));
  archive.write("reciprocal_tensor_scale", static_cast<double>(state.reciprocal_tensor_scale));
  archive.write("activation_mapping", state.activation.mapping);
  archive.write("scaling_mode", state.activation.scaling_mode);
  archive.write("activation_per_tensor", state.activation.per_tensor);
  QuantizedState copy = state;
  for (const auto& [key, tensor] : copy.tensors()) {
    if (tensor->defined()) archive.write(key, *tensor, /*is_buffer=*/true);
  }
}

bool read_state(QuantizedState& state, torch::serialize::InputArchive& archive) {
  c10::IValue scheme;
  if (!archive.try_read("scheme", scheme)) return false;
  state.scheme = scheme_from_name(scheme.toStringRef());
  state.scheme.granularity = granularity_from_name(read<std::string>(archive, "granularity"));
  state.scheme.group_size = read<std::int64_t>(archive, "group_size");
  state.dtype = dtype_of(read<std::string>(archive, "dtype"));
  state.scale_dtype = dtype_of(read<std::string>(archive, "scale_dtype"));
  state.reciprocal_tensor_scale =
      static_cast<float>(read<double>(archive, "reciprocal_tensor_scale"));
  state.activation.mapping = read<std::string>(archive, "activation_mapping");
  state.activation.scaling_mode = read<std::string>(archive, "scaling_mode");
  c10::IValue per_tensor;  // older archives have none
  if (archive.try_read("activation_per_tensor", per_tensor)) {
    state.activation.per_tensor = per_tensor.toBool();
  }
  for (const auto& [key, tensor] : state.tensors()) {
    torch::Tensor value;
    if (archive.try_read(key, value, /*is_buffer=*/true)) *tensor = value;
  }
  return true;
}

}  // namespace lowp::nn
