#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <string>

#include "checkpoint/model_files.h"
#include "lowp/error.h"
#include "lowp/models/causal_lm.h"

namespace lowp::models {
namespace {

using checkpoint::ModelFiles;
using checkpoint::TensorView;

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

void copy_parameter(torch::Tensor parameter, const TensorView& view, const std::string& directory) {
  if (parameter.sizes() != torch::IntArrayRef(view.shape)) {
    throw Error(fmt::format("[load] {}: bad shape of {}, got ({}), expected ({})", directory,
                            view.name, fmt::join(view.shape, ", "),
                            fmt::join(parameter.sizes().vec(), ", ")));
  }
  parameter.copy_(as_tensor(view, directory));
}

// Buffers that old checkpoints carry though they follow from the config.
bool is_derived(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

void check_all_used(const ModelFiles& files, const std::set<std::string, std::less<>>& used) {
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

}  // namespace

CausalLM CausalLM::load(const std::filesystem::path& directory, const LoadOptions& options) {
  const at::NoGradGuard no_grad;
  const Config config = load_config(directory);
  const ModelFiles files(directory);
  CausalLM model(config, torch::dtype(options.dtype.value_or(scalar_type(config.dtype))));
  std::set<std::string, std::less<>> used;
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
