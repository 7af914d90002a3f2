#include "cli/quantize_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "checkpoint/compressed_tensors.h"
#include "lowp/error.h"
#include "schemes/linear_names.h"

namespace lowp::cli {
namespace {

using checkpoint::TensorSpec;
using checkpoint::TensorView;

// The recipe with its names resolved.
class Rules {
 public:
  explicit Rules(const QuantizeRecipe& recipe)
      : default_scheme_(
            storable(with_group_size(scheme_from_text(recipe.scheme), recipe.group_size))),
        quantize_lm_head_(recipe.quantize_lm_head) {
    for (const std::string& text : recipe.ignore) ignore_.push_back({NamePattern(text)});
    for (const TensorScheme& rule : recipe.tensor_schemes) {
      overrides_.push_back({pattern_of(rule)});
      override_schemes_.push_back(storable(scheme_from_text(rule.scheme)));
    }
  }

  // Empty if the layer is to be quantized.
  std::string why_ignored(std::string_view module) {
    bool ignored = false;
    for (Pattern& pattern : ignore_) ignored = pattern.matches(module) || ignored;
    if (ignored) return "ignored";
    const bool head = module.ends_with("lm_head");
    if (is_ignored_by_default(module) && !(head && quantize_lm_head_)) {
      return head ? "the head, see --quantize-lm-head" : "a router";
    }
    return "";
  }

  const Scheme& scheme_of(std::string_view module) {
    for (std::size_t i = 0; i < overrides_.size(); ++i) {
      if (overrides_[i].matches(module)) return override_schemes_[i];
    }
    return default_scheme_;
  }

  const Scheme& default_scheme() const { return default_scheme_; }

  std::vector<std::string> unused_patterns() const {
    std::vector<std::string> unused;
    for (const auto* list : {&ignore_, &overrides_}) {
      for (const Pattern& pattern : *list) {
        if (!pattern.used) unused.push_back(pattern.name.text());
      }
    }
    return unused;
  }

 private:
  struct Pattern {
    NamePattern name;
    bool used = false;

    bool matches(std::string_view module) {
      const bool result = name.matches(module);
      used = used || result;
      return result;
    }
  };

  static Scheme storable(const Scheme& scheme) {
    const std::string reason = checkpoint::why_not_compressed_tensors(scheme);
    if (!reason.empty()) throw Error(fmt::format("[quantize] {}", reason));
    return scheme;
  }

  Scheme default_scheme_;
  bool quantize_lm_head_;
  std::vector<Pattern> ignore_;
  std::vector<Pattern> overrides_;
  std::vector<Scheme> override_schemes_;
};

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

TensorPlan plan_tensor(const TensorView& tensor, const checkpoint::MappedFile& file, Rules& rules) {
  TensorPlan plan{.source = &tensor,
                  .file = &file,
                  .module = {},
                  .scheme = {},
                  .reason = why_not_linear(tensor.name, tensor.shape),
                  .outputs = {}};
  if (plan.reason.empty()) {
    plan.module = module_of(tensor.name);
    plan.reason = rules.why_ignored(plan.module);
  }
  if (plan.reason.empty()) {
    plan.scheme = rules.scheme_of(plan.module);
    const std::int64_t n = tensor.shape[0];
    const std::int64_t k = tensor.shape[1];
    plan.reason = is_float(tensor.dtype) ? why_not(*plan.scheme, n, k)
                                         : fmt::format("its dtype is {}, expected F32, F16 or BF16",
                                                       name(tensor.dtype));
    plan.fits = plan.reason.empty();
    if (plan.fits) {
      plan.outputs =
          checkpoint::compressed_tensors_specs(*plan.scheme, plan.module, n, k, tensor.dtype);
    }
  }
  if (plan.outputs.empty()) plan.outputs = {{tensor.name, tensor.dtype, tensor.shape}};
  return plan;
}

// Fused layers of one scheme share their amax; every other layer has its own.
void share_amax(QuantizePlan& plan) {
  std::map<std::string, std::size_t> indices;
  std::map<std::string, std::string> schemes;
  for (ShardPlan& shard : plan.shards) {
    for (TensorPlan& tensor : shard.tensors) {
      if (!tensor.scheme) continue;
      const std::string fused = fused_layer(tensor.module);
      const std::string scheme =
          fmt::format("{}:{}", tensor.scheme->name, tensor.scheme->group_size);
      const std::string key = fmt::format("{} {}", scheme, fused.empty() ? tensor.module : fused);
      tensor.shared_amax = indices.emplace(key, indices.size()).first->second;
      if (fused.empty()) continue;
      const auto [first, is_new] = schemes.emplace(fused, scheme);
      if (!is_new && first->second != scheme) {
        plan.notes.push_back(fmt::format("{} gets {} and {}: servers that fuse it need one scheme",
                                         fused, first->second, scheme));
      }
    }
  }
  plan.shared_amax_count = indices.size();
}

bool same_scheme(const Scheme& a, const Scheme& b) {
  return a.name == b.name && a.group_size == b.group_size && a.granularity == b.granularity;
}

checkpoint::CompressedTensorsConfig make_config(const QuantizePlan& plan, const Rules& rules) {
  checkpoint::CompressedTensorsConfig config{{{rules.default_scheme(), {"Linear"}}}, {}};
  bool has_head = false;
  bool uses_default = false;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorPlan& tensor : shard.tensors) {
      has_head = has_head || tensor.module == "lm_head";
      if (tensor.module.empty()) continue;
      if (!tensor.scheme) {
        config.ignore.push_back(tensor.module);
        continue;
      }
      if (same_scheme(*tensor.scheme, rules.default_scheme())) {
        uses_default = true;
        continue;
      }
      auto group = std::ranges::find_if(config.groups, [&](const auto& candidate) {
        return same_scheme(candidate.scheme, *tensor.scheme);
      });
      if (group == config.groups.end()) {
        group = config.groups.insert(group, {*tensor.scheme, {}});
      }
      group->targets.push_back(tensor.module);
    }
  }
  if (!uses_default && config.groups.size() > 1) config.groups.erase(config.groups.begin());
  // A head tied to the embedding is no tensor of the file, but it is a linear layer of the model.
  if (!has_head) config.ignore.push_back("lm_head");
  std::ranges::sort(config.ignore);
  return config;
}

}  // namespace

nlohmann::ordered_json to_json(const QuantizeRecipe& recipe) {
  nlohmann::ordered_json tensor_schemes = nlohmann::ordered_json::array();
  for (const TensorScheme& rule : recipe.tensor_schemes) {
    tensor_schemes.push_back({{"match", rule.pattern}, {"scheme", rule.scheme}});
  }
  const Scheme scheme = with_group_size(scheme_from_text(recipe.scheme), recipe.group_size);
  return {{"scheme", scheme.name},
          {"group_size", scheme.group_size},
          {"ignore", recipe.ignore},
          {"quantize_lm_head", recipe.quantize_lm_head},
          {"tensor_schemes", tensor_schemes},
          {"method", "round to nearest"}};
}

std::vector<TensorSpec> ShardPlan::outputs() const {
  std::vector<TensorSpec> specs;
  for (const TensorPlan& tensor : tensors) {
    specs.insert(specs.end(), tensor.outputs.begin(), tensor.outputs.end());
  }
  return specs;
}

std::uint64_t ShardPlan::source_bytes() const {
  std::uint64_t bytes = 0;
  for (const TensorPlan& tensor : tensors) bytes += tensor.source->data.size();
  return bytes;
}

std::uint64_t QuantizePlan::source_bytes() const {
  std::uint64_t bytes = 0;
  for (const ShardPlan& shard : shards) bytes += shard.source_bytes();
  return bytes;
}

std::uint64_t QuantizePlan::output_bytes() const {
  std::uint64_t bytes = 0;
  for (const ShardPlan& shard : shards) {
    for (const TensorSpec& spec : shard.outputs()) {
      bytes += checkpoint::byte_size(spec.dtype, spec.shape, spec.name);
    }
  }
  return bytes;
}

QuantizePlan plan_quantization(const checkpoint::ModelFiles& files, const QuantizeRecipe& recipe) {
  Rules rules(recipe);
  QuantizePlan plan;
  for (const checkpoint::Safetensors& file : files.files()) {
    ShardPlan shard{file.path().filename().string(), {}};
    for (const TensorView& tensor : file.tensors()) {
      shard.tensors.push_back(plan_tensor(tensor, file.file(), rules));
    }
    plan.shards.push_back(std::move(shard));
  }
  share_amax(plan);
  plan.config = make_config(plan, rules);
  for (const std::string& pattern : rules.unused_patterns()) {
    plan.notes.push_back(fmt::format("'{}' matches no linear layer", pattern));
  }
  return plan;
}

void check_fits(const QuantizePlan& plan) {
  constexpr std::size_t kShown = 5;
  std::map<std::string, std::vector<std::string>> layers;  // by scheme and reason
  std::size_t quantized = 0;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorPlan& tensor : shard.tensors) {
      if (!tensor.scheme) continue;
      if (tensor.fits) ++quantized;
      if (!tensor.fits) {
        layers[fmt::format("{} does not fit: {}", tensor.scheme->name, tensor.reason)].push_back(
            tensor.module);
      }
    }
  }
  if (layers.empty() && quantized == 0) {
    throw Error("[quantize] the recipe leaves nothing to quantize: no linear layer is left");
  }
  if (layers.empty()) return;
  std::string text = "[quantize] layers that the scheme does not fit, got";
  for (const auto& [problem, names] : layers) {
    text += fmt::format("\n  {} layer{}, {}", names.size(), names.size() == 1 ? "" : "s", problem);
    for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += "\n    " + names[i];
    if (names.size() > kShown) text += fmt::format("\n    and {} more", names.size() - kShown);
  }
  throw Error(text +
              "\n  choose --group-size, give them another scheme with --tensor-scheme, or "
              "leave them out with --ignore");
}

}  // namespace lowp::cli
