#include "cli/torch/model_setup.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "cli/tensor_scheme.h"
#include "lowp/error.h"
#include "lowp/quantize.h"
#include "schemes/linear_names.h"

namespace lowp::cli {
namespace {

// "W4A16:64"
Config parse_scheme(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return config_from_scheme(text);
  std::int64_t group_size = 0;
  const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, group_size);
  if (error != std::errc() || stop != end || group_size < 1) {
    throw Error(
        fmt::format("[--quantize] bad group size, got '{}', expected SCHEME:GROUP_SIZE", text));
  }
  return config_from_scheme(text.substr(0, colon), group_size);
}

// Which layers --quantize leaves alone.
class Ignored {
 public:
  explicit Ignored(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) patterns_.emplace_back(pattern);
  }
  bool operator()(const std::string& name) const {
    if (patterns_.empty()) return is_ignored_by_default(name);
    return std::any_of(patterns_.begin(), patterns_.end(),
                       [&](const NamePattern& pattern) { return pattern.matches(name); });
  }

 private:
  std::vector<NamePattern> patterns_;
};

// --tensor-scheme, "EXPRESSION=SCHEME[:GROUP]": the config of the first whose expression matches.
class TensorSchemes {
 public:
  explicit TensorSchemes(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      const TensorScheme rule = parse_tensor_scheme(text);
      rules_.push_back({pattern_of(rule), parse_scheme(rule.scheme)});
    }
  }
  const Config* find(const std::string& name) {
    const Config* found = nullptr;
    for (Rule& rule : rules_) {
      if (!rule.pattern.matches(name)) continue;
      rule.used = true;
      if (found == nullptr) found = &rule.config;
    }
    return found;
  }
  void check_all_used() const {
    for (const Rule& rule : rules_) {
      if (!rule.used)
        throw Error(
            fmt::format("[--tensor-scheme] no layer matches, got '{}', expected the start "
                        "of a linear layer's name",
                        rule.pattern.text()));
    }
  }

 private:
  struct Rule {
    NamePattern pattern;
    Config config;
    bool used = false;
  };
  std::vector<Rule> rules_;
};

FqnToConfig configs_of_layers(const models::CausalLM& model, const std::string& scheme,
                              const RunOptions& options) {
  const Config config = parse_scheme(scheme);
  const Ignored ignored(options.ignore);
  TensorSchemes tensor_schemes(options.tensor_schemes);
  FqnToConfig configs;
  for (const auto& [name, module] : model->named_modules("", /*include_self=*/false).pairs()) {
    if (module->as<nn::LinearImpl>() == nullptr) continue;
    if (const Config* own = tensor_schemes.find(name)) {
      configs.fqn_to_config.emplace_back(name, *own);
    } else if (!ignored(name)) {
      configs.fqn_to_config.emplace_back(name, config);
    }
  }
  tensor_schemes.check_all_used();
  return configs;
}

void quantize_model(models::CausalLM& model, const std::string& scheme, const RunOptions& options) {
  const at::NoGradGuard no_grad;
  const FqnToConfig configs = configs_of_layers(model, scheme, options);
  std::set<std::string> asked;
  for (const auto& entry : configs.fqn_to_config) asked.insert(entry.first);
  const Report report = quantize_(*model, configs);
  std::int64_t failed = 0;
  const LayerReport* first = nullptr;
  for (const LayerReport& layer : report.layers) {
    if (layer.skipped.empty() || !asked.contains(layer.name)) continue;
    if (failed++ == 0) first = &layer;
  }
  if (failed > 0) {
    throw Error(fmt::format("[--quantize] {} of {} layers do not fit {}; the first is {}: {}",
                            failed, report.layers.size(), scheme, first->name, first->skipped));
  }
}

torch::ScalarType parse_dtype(const std::string& name) {
  if (name == "bfloat16") return torch::kBFloat16;
  return name == "float16" ? torch::kHalf : torch::kFloat32;
}

}  // namespace

int set_up_process(const RunOptions& options) {
  constexpr int kMostForMmapThreshold = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kMostForMmapThreshold);
  mallopt(M_TRIM_THRESHOLD, 8 * kMostForMmapThreshold);
  if (options.threads > 0) at::set_num_threads(options.threads);
  return at::get_num_threads();
}

models::CausalLM load_model(const std::filesystem::path& directory, const std::string& quantize,
                            const RunOptions& options) {
  models::LoadOptions load;
  if (!options.dtype.empty()) load.dtype = parse_dtype(options.dtype);
  load.device = torch::Device(options.device);
  models::CausalLM model = models::CausalLM::load(directory, load);
  if (!quantize.empty()) quantize_model(model, quantize, options);
  model->optimize_for_inference();
  malloc_trim(0);  // what the weights were copied from
  return model;
}

std::string scheme_of(const models::CausalLM& model) {
  std::set<std::string> schemes;
  for (const auto& module : model->modules()) {
    const auto* linear = module->as<nn::LinearImpl>();
    if (linear != nullptr && linear->is_quantized()) schemes.insert(linear->scheme());
  }
  if (schemes.empty()) {
    const torch::ScalarType dtype = model->dtype();
    return dtype == torch::kBFloat16 ? "bfloat16" : dtype == torch::kHalf ? "float16" : "float32";
  }
  return schemes.size() == 1 ? *schemes.begin() : "mixed";
}

std::string device_of(const models::CausalLM& model) { return model->device().str(); }

std::optional<std::int64_t> peak_device_bytes(const models::CausalLM& model) {
  const torch::Device device = model->device();
  if (device.is_cpu()) return std::nullopt;
  return at::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes[0]
      .peak;
}

void wait_for_device(const models::CausalLM& model) {
  const torch::Device device = model->device();
  if (device.is_cpu()) return;
  c10::impl::getDeviceGuardImpl(device.type())->synchronizeDevice(device.index());
}

double ModelSize::bits_per_weight() const {
  return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

ModelSize size_of(const models::CausalLM& model) {
  ModelSize size;
  std::set<const void*> seen;  // tied and stacked tensors share their storage
  const auto add = [&](const torch::Tensor& tensor, bool is_weight) {
    if (!tensor.defined() || !seen.insert(tensor.const_data_ptr()).second) return;
    size.bytes += static_cast<std::int64_t>(tensor.nbytes());
    if (is_weight) size.weights += tensor.numel();
  };
  for (const auto& module : model->modules()) {
    for (const auto& parameter : module->parameters(/*recurse=*/false)) add(parameter, true);
    for (const auto& buffer : module->buffers(/*recurse=*/false)) add(buffer, false);
    const auto* linear = module->as<nn::LinearImpl>();
    if (linear != nullptr && linear->is_quantized()) {
      size.weights += linear->options.in_features() * linear->options.out_features();
    }
  }
  return size;
}

}  // namespace lowp::cli
