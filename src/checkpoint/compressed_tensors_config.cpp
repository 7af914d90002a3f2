#include "checkpoint/compressed_tensors_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "checkpoint/compressed_tensors.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr const char* kVersion = "0.20.0";  // of the package whose layouts these are
constexpr const char* kMethod = "compressed-tensors";

// `format` by the rules of compressors/format.py.
std::string_view format_of(const Scheme& scheme) {
  switch (scheme.weight) {
    case WeightFormat::kInt8:
    case WeightFormat::kInt4:
    case WeightFormat::kIntx:
      return scheme.activation == ActivationFormat::kNone ? "pack-quantized" : "int-quantized";
    case WeightFormat::kFp8:
      return "float-quantized";
    case WeightFormat::kMxfp8:
      return "mxfp8-quantized";
    case WeightFormat::kMxfp6E2m3:
    case WeightFormat::kMxfp6E3m2:
      return "mxfp6-pack-quantized";
    case WeightFormat::kMxfp4:
      return "mxfp4-pack-quantized";
    case WeightFormat::kNvfp4:
      return "nvfp4-pack-quantized";
  }
  return "dense";
}

// QuantizationArgs: what is the same for weights and activations.
Json quantization_args(int bits, std::string_view type, std::string_view strategy) {
  return {{"num_bits", bits},       {"type", type},
          {"strategy", strategy},   {"symmetric", true},
          {"dynamic", false},       {"group_size", nullptr},
          {"actorder", nullptr},    {"block_structure", nullptr},
          {"scale_dtype", nullptr}, {"zp_dtype", nullptr},
          {"observer", nullptr},    {"observer_kwargs", Json::object()}};
}

Json weight_args(const Scheme& scheme) {
  const bool integer = scheme.weight == WeightFormat::kInt8 ||
                       scheme.weight == WeightFormat::kInt4 || scheme.weight == WeightFormat::kIntx;
  const bool nvfp4 = scheme.weight == WeightFormat::kNvfp4;
  constexpr std::array<std::string_view, 4> kStrategies{"tensor", "channel", "group", "block"};
  const std::string_view strategy =
      nvfp4 ? "tensor_group" : kStrategies[static_cast<std::size_t>(scheme.granularity)];
  Json args = quantization_args(scheme.bits, integer ? "int" : "float", strategy);
  if (scheme.granularity == Granularity::kGroup) args["group_size"] = scheme.group_size;
  if (scheme.granularity == Granularity::kBlock128) args["block_structure"] = {128, 128};
  if (is_mx(scheme.weight)) args["scale_dtype"] = "torch.uint8";
  if (nvfp4) args["scale_dtype"] = "torch.float8_e4m3fn";
  if (scheme.mapping == Mapping::kAsymmetric) {
    args["symmetric"] = false;
    args["zp_dtype"] = "torch.int8";
  }
  return args;
}

Json activation_args(ActivationFormat activation) {
  Json args;
  switch (activation) {
    case ActivationFormat::kNone:
      return nullptr;
    case ActivationFormat::kInt8Row:
      args = quantization_args(8, "int", "token");
      break;
    case ActivationFormat::kFp8Tensor:
      args = quantization_args(8, "float", "tensor");
      break;
    case ActivationFormat::kFp8Row:
      args = quantization_args(8, "float", "token");
      break;
    case ActivationFormat::kFp8Group128:
      args = quantization_args(8, "float", "group");
      args["group_size"] = 128;
      break;
    case ActivationFormat::kMxfp8:
      args = quantization_args(8, "float", "group");
      args["group_size"] = 32;
      args["scale_dtype"] = "torch.uint8";
      break;
  }
  args["dynamic"] = true;
  return args;
}

// Reading
// ------------------------------------------------------------------------------------------

class ConfigReader {
 public:
  explicit ConfigReader(std::string_view file) : file_(file) {}

  [[noreturn]] void fail(std::string_view field, const Json& value,
                         std::string_view expected) const {
    std::string text = value.dump();
    if (text.size() > 200) text = text.substr(0, 200) + "...";
    throw Error(fmt::format("[read compressed-tensors] '{}': {} is {}, expected {}", file_, field,
                            text, expected));
  }

  std::vector<std::string> strings(const Json& object, const char* key,
                                   const std::string& where) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return {};
    const bool fits = found->is_array() && std::ranges::all_of(*found, [](const Json& item) {
                        return item.is_string();
                      });
    if (!fits) fail(where + "." + key, *found, "a list of strings");
    return found->get<std::vector<std::string>>();
  }

  CompressedTensorsGroup group(const std::string& name, const Json& json) const {
    const std::string where = "quantization_config.config_groups." + name;
    if (!json.is_object()) fail(where, json, "an object");
    const Json weights = json.value("weights", Json());
    if (!weights.is_object()) fail(where + ".weights", weights, "an object");
    if (!json.value("output_activations", Json()).is_null()) {
      fail(where + ".output_activations", json["output_activations"], "null");
    }
    const Json inputs = json.value("input_activations", Json());
    for (const Scheme& scheme : schemes()) {
      if (!why_not_compressed_tensors(scheme).empty()) continue;
      if (!same_args(activation_args(scheme.activation), inputs)) continue;
      const std::optional<Scheme> matched = match_weights(scheme, weights);
      if (matched) return {*matched, strings(json, "targets", where)};
    }
    fail(where, {{"weights", weights}, {"input_activations", inputs}},
         "one of lowp's schemes (dynamic activations, no reordering)");
  }

 private:
  static Json field(const Json& args, const char* key) {
    const auto found = args.find(key);
    if (found != args.end() && !found->is_null()) return *found;
    // Defaults of QuantizationArgs.
    static const Json kDefaults{
        {"num_bits", 8}, {"type", "int"}, {"symmetric", true}, {"dynamic", false}};
    return kDefaults.value(key, Json());
  }

  static std::string strategy(const Json& args) {
    const Json given = field(args, "strategy");
    if (given.is_string()) return given.get<std::string>();
    const Json group = field(args, "group_size");
    if (!group.is_number_integer()) return "tensor";
    return group.get<std::int64_t>() > 0 ? "group" : "channel";
  }

  // The fields that decide what the numbers mean.
  static bool same_args(const Json& expected, const Json& given, bool any_group = false) {
    if (expected.is_null() || !given.is_object()) return expected.is_null() && given.is_null();
    for (const char* key : {"num_bits", "type", "symmetric", "dynamic", "block_structure"}) {
      if (field(expected, key) != field(given, key)) return false;
    }
    const Json order = field(given, "actorder");
    if (!order.is_null() && order != "weight" && order != "static") return false;
    if (strategy(expected) != strategy(given)) return false;
    const bool grouped = strategy(expected) == "group" || strategy(expected) == "tensor_group";
    if (grouped && !any_group && field(expected, "group_size") != field(given, "group_size")) {
      return false;
    }
    // e8m0 scales make it MX.
    return (field(expected, "scale_dtype") == "torch.uint8") ==
           (field(given, "scale_dtype") == "torch.uint8");
  }

  // The scheme with the group size that the file says.
  static std::optional<Scheme> match_weights(const Scheme& scheme, const Json& weights) {
    const bool takes_group = scheme.weight == WeightFormat::kInt4 ||
                             scheme.weight == WeightFormat::kIntx || scheme.name == "W8A16";
    if (same_args(weight_args(scheme), weights)) return scheme;
    if (!takes_group || strategy(weights) != "group") return std::nullopt;
    const Json group = field(weights, "group_size");
    if (!group.is_number_integer() || group.get<std::int64_t>() <= 0 ||
        group.get<std::int64_t>() % (scheme.weight == WeightFormat::kIntx ? 8 : 2) != 0) {
      return std::nullopt;
    }
    const Scheme grouped = with_group_size(scheme, group.get<std::int64_t>());
    return same_args(weight_args(grouped), weights) ? std::optional(grouped) : std::nullopt;
  }

  std::string_view file_;
};

bool any_matches(const std::vector<std::string>& patterns, std::string_view module, bool regex) {
  return std::ranges::any_of(patterns, [&](const std::string& text) {
    return text.starts_with("re:") == regex && NamePattern(text).matches(module);
  });
}

}  // namespace

const Scheme* CompressedTensorsConfig::scheme_of(std::string_view module) const {
  const bool ignored = any_matches(ignore, module, false) || any_matches(ignore, module, true) ||
                       std::ranges::find(ignore, "Linear") != ignore.end();
  if (ignored) return nullptr;
  for (const bool regex : {false, true}) {
    for (const CompressedTensorsGroup& group : groups) {
      if (any_matches(group.targets, module, regex)) return &group.scheme;
    }
  }
  for (const CompressedTensorsGroup& group : groups) {
    if (std::ranges::find(group.targets, "Linear") != group.targets.end()) return &group.scheme;
  }
  return nullptr;
}

Json to_json(const CompressedTensorsConfig& config) {
  Json groups = Json::object();
  std::set<std::string_view> formats;
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const CompressedTensorsGroup& group = config.groups[i];
    formats.insert(format_of(group.scheme));
    groups[fmt::format("group_{}", i)] = {
        {"targets", group.targets},
        {"weights", weight_args(group.scheme)},
        {"input_activations", activation_args(group.scheme.activation)},
        {"output_activations", nullptr},
        {"format", format_of(group.scheme)}};
  }
  return {{"version", kVersion},
          {"quant_method", kMethod},
          {"quantization_status", "compressed"},
          {"format", formats.size() == 1 ? *formats.begin() : "mixed-precision"},
          {"config_groups", groups},
          {"ignore", config.ignore},
          {"kv_cache_scheme", nullptr},
          {"global_compression_ratio", nullptr},
          {"sparsity_config", Json::object()},
          {"transform_config", Json::object()}};
}

std::optional<CompressedTensorsConfig> read_compressed_tensors_config(const Json& model_config,
                                                                      std::string_view file) {
  const ConfigReader reader(file);
  if (!model_config.is_object()) reader.fail("the configuration", model_config, "an object");
  const auto found = model_config.find("quantization_config");
  if (found == model_config.end() || found->is_null()) return std::nullopt;
  if (!found->is_object()) reader.fail("quantization_config", *found, "an object");
  const Json method = found->value("quant_method", Json());
  if (method != kMethod) reader.fail("quantization_config.quant_method", method, kMethod);
  for (const char* key : {"kv_cache_scheme", "sparsity_config", "transform_config"}) {
    const Json value = found->value(key, Json());
    if (!value.is_null() && !value.empty()) {
      reader.fail(fmt::format("quantization_config.{}", key), value, "none");
    }
  }
  const Json groups = found->value("config_groups", Json());
  if (!groups.is_object()) reader.fail("quantization_config.config_groups", groups, "an object");
  CompressedTensorsConfig config;
  for (const auto& [name, group] : groups.items()) {
    config.groups.push_back(reader.group(name, group));
  }
  config.ignore = reader.strings(*found, "ignore", "quantization_config");
  return config;
}

}  // namespace lowp::checkpoint
