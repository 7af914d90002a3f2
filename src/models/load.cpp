#include <ATen/core/grad_mode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "checkpoint/compressed_tensors.h"
#include "checkpoint/compressed_tensors_config.h"
#include "checkpoint/model_files.h"
#include "lowp/cuda.h"
#include "lowp/error.h"
#include "lowp/models/causal_lm.h"

namespace lowp::models {
namespace {

using checkpoint::ModelFiles;
using checkpoint::TensorView;
using Names = std::set<std::string, std::less<>>;

torch::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "bfloat16") return torch::kBFloat16;
  return dtype == "float16" ? torch::kHalf : torch::kFloat32;
}

// The mapped file as a tensor, which must not outlive it nor be written to.
torch::Tensor as_tensor(const TensorView& view, const std::string& directory) {
  torch::ScalarType type;
  switch (view.dtype) {
    case DType::kBF16:
      type = torch::kBFloat16;
      break;
    case DType::kF16:
      type = torch::kHalf;
      break;
    case DType::kF32:
      type = torch::kFloat32;
      break;
    default:
      throw Error(fmt::format("[load] {}: bad dtype of {}, got {}, expected BF16, F16 or F32",
                              directory, view.name, name(view.dtype)));
  }
  return torch::from_blob(const_cast<std::byte*>(view.data.data()), view.shape, type);
}

void copy_parameter(const torch::Tensor& parameter, const TensorView& view,
                    const std::string& directory) {
  if (parameter.sizes() != torch::IntArrayRef(view.shape)) {
    throw Error(fmt::format("[load] {}: bad shape of {}, got ({}), expected ({})", directory,
                            view.name, fmt::join(view.shape, ", "),
                            fmt::join(parameter.sizes().vec(), ", ")));
  }
  parameter.copy_(as_tensor(view, directory));
}

// Buffers that old checkpoints carry though they follow from the config.
bool is_derived(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

void check_all_used(const ModelFiles& files, const Names& used) {
  for (const checkpoint::Safetensors& file : files.files()) {
    for (const TensorView& view : file.tensors()) {
      if (used.contains(view.name) || is_derived(view.name)) continue;
      throw Error(
          fmt::format("[load] {}: unexpected tensor {}, the model of config.json has none of "
                      "that name",
                      file.path().string(), view.name));
    }
  }
}

std::optional<checkpoint::CompressedTensorsConfig> load_quantization_config(
    const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "config.json";
  std::ifstream stream(file, std::ios::binary);
  return checkpoint::read_compressed_tensors_config(nlohmann::json::parse(stream), file.string());
}

DType to_dtype(torch::ScalarType type) {
  if (type == torch::kBFloat16) return DType::kBF16;
  return type == torch::kHalf ? DType::kF16 : DType::kF32;
}

// Gives the layers that quantization_config names their codes and scales; adds the names of the
// tensors to `used`.
void load_quantized_layers(CausalLM& model, const checkpoint::CompressedTensorsConfig& config,
                           const ModelFiles& files, Names& used) {
  const DType dtype = to_dtype(model->dtype());
  for (const auto& module : model->named_modules("", /*include_self=*/false)) {
    auto* linear = module.value()->as<nn::LinearImpl>();
    const Scheme* scheme = linear == nullptr ? nullptr : config.scheme_of(module.key());
    if (scheme == nullptr) continue;
    const std::int64_t n = linear->options.out_features(), k = linear->options.in_features();
    for (const checkpoint::TensorSpec& tensor :
         checkpoint::compressed_tensors_specs(*scheme, module.key(), n, k, dtype)) {
      used.insert(tensor.name);
    }
    linear->set_quantized_weight(
        checkpoint::read_compressed_tensors(files, module.key(), *scheme, dtype));
  }
}

// The device with its number; throws if it is not there.
torch::Device find_device(const torch::Device& device) {
  if (!device.is_cuda()) return device;
  require_cuda_operators();
  const auto* gpus = c10::impl::getDeviceGuardImpl(c10::kCUDA);
  const int count = gpus->deviceCount();
  if (count == 0 || device.index() >= count) {
    throw Error(fmt::format(
        "[load] the GPU is not there, got {}, expected {}", device.str(),
        count == 0 ? "a machine with a GPU" : fmt::format("cuda:0 to cuda:{}", count - 1)));
  }
  return device.has_index() ? device : gpus->getDevice();
}

}  // namespace

CausalLM CausalLM::load(const std::filesystem::path& directory, const LoadOptions& options) {
  const at::NoGradGuard no_grad;
  const Config config = load_config(directory);
  const ModelFiles files(directory);
  const torch::ScalarType dtype = options.dtype.value_or(scalar_type(config.dtype));
  CausalLM model(config, torch::dtype(dtype).device(find_device(options.device)));
  Names used;
  if (const auto quantization = load_quantization_config(directory)) {
    load_quantized_layers(model, *quantization, files, used);
  }
  if (config.tie_word_embeddings) used.insert("lm_head.weight");
  for (const auto& parameter : model->named_parameters()) {
    if (!used.insert(parameter.key()).second) continue;
    copy_parameter(parameter.value(), files.at(parameter.key()), directory.string());
  }
  check_all_used(files, used);
  model->eval();
  return model;
}

}  // namespace lowp::models
