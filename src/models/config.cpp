#include "lowp/models/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lowp/error.h"

namespace lowp::models {
namespace {

using nlohmann::json;

constexpr std::array kModelTypes{"llama", "qwen2", "qwen3", "mistral", "gemma3_text"};

// One JSON object with typed access; every error names the file and the field.
class Fields {
 public:
  Fields(const json& object, std::string path, const std::string& file)
      : object_(object), path_(std::move(path)), file_(file) {
    if (!object_.is_object()) fail("", object_, "an object");
  }

  bool contains(const char* key) const { return object_.contains(key); }
  bool has(const char* key) const { return contains(key) && !object_[key].is_null(); }

  std::int64_t size(const char* key) const { return checked_size(key, require(key)); }
  std::int64_t size(const char* key, std::int64_t fallback) const {
    return has(key) ? checked_size(key, object_[key]) : fallback;
  }

  double positive(const char* key) const { return checked_positive(key, require(key)); }
  double positive(const char* key, double fallback) const {
    return has(key) ? checked_positive(key, object_[key]) : fallback;
  }

  bool flag(const char* key, bool fallback) const {
    if (!has(key)) return fallback;
    if (!object_[key].is_boolean()) fail(key, object_[key], "true or false");
    return object_[key].get<bool>();
  }

  std::string text(const char* key, const char* fallback) const {
    if (!has(key)) return fallback;
    if (!object_[key].is_string()) fail(key, object_[key], "a string");
    return object_[key].get<std::string>();
  }

  const json& raw(const char* key) const { return object_[key]; }
  Fields object(const char* key) const { return {require(key), path_ + key + ".", file_}; }

  // Throws: the value of `key` is not one that lowp can run.
  [[noreturn]] void fail(const char* key, const json& got, std::string_view expected) const {
    throw Error(fmt::format("[load_config] {}: unsupported value of {}{}, got {}, expected {}",
                            file_, path_, key, got.dump(), expected));
  }

 private:
  const json& require(const char* key) const {
    if (!has(key)) {
      throw Error(fmt::format("[load_config] {}: missing field {}{}", file_, path_, key));
    }
    return object_[key];
  }

  std::int64_t checked_size(const char* key, const json& value) const {
    constexpr std::int64_t kLargest = std::int64_t{1} << 31;
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
        value.get<std::int64_t>() > kLargest) {
      fail(key, value, "an integer from 1 to 2^31");
    }
    return value.get<std::int64_t>();
  }

  double checked_positive(const char* key, const json& value) const {
    if (!value.is_number() || !(value.get<double>() > 0.0)) fail(key, value, "a positive number");
    return value.get<double>();
  }

  const json& object_;
  std::string path_;
  const std::string& file_;
};

// `fields` is rope_parameters of transformers 5, or rope_scaling of version 4, whose theta stands
// outside.
Rope parse_rope(const Fields& fields, double default_theta) {
  Rope rope;
  rope.theta = fields.positive("rope_theta", default_theta);
  if (fields.positive("partial_rotary_factor", 1.0) != 1.0) {
    fields.fail("partial_rotary_factor", fields.raw("partial_rotary_factor"), "1");
  }
  const char* key = fields.has("rope_type") ? "rope_type" : "type";
  const std::string type = fields.text(key, "default");
  if (type == "default") return rope;
  if (type != "linear" && type != "llama3") {
    fields.fail(key, type, "one of default, linear, llama3");
  }
  rope.scaling = type == "linear" ? RopeScaling::kLinear : RopeScaling::kLlama3;
  rope.factor = fields.positive("factor");
  if (rope.scaling == RopeScaling::kLlama3) {
    rope.low_freq_factor = fields.positive("low_freq_factor");
    rope.high_freq_factor = fields.positive("high_freq_factor");
    rope.original_max_position_embeddings = fields.size("original_max_position_embeddings");
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      fields.fail("high_freq_factor", rope.high_freq_factor, "more than low_freq_factor");
    }
  }
  return rope;
}

Rope parse_model_rope(const Fields& fields, double default_theta) {
  const double theta = fields.positive("rope_theta", default_theta);
  if (fields.has("rope_parameters")) return parse_rope(fields.object("rope_parameters"), theta);
  if (fields.has("rope_scaling")) return parse_rope(fields.object("rope_scaling"), theta);
  return Rope{.theta = theta};
}

// Gemma has one set of parameters for each kind of layer.
void parse_gemma_rope(const Fields& fields, Config& config) {
  const double theta = fields.positive("rope_theta", 1e6);
  const double sliding_theta = fields.positive("rope_local_base_freq", 1e4);
  config.rope = Rope{.theta = theta};
  config.sliding_rope = Rope{.theta = sliding_theta};
  if (fields.has("rope_parameters")) {
    const Fields rope = fields.object("rope_parameters");
    if (rope.has("full_attention")) {
      config.rope = parse_rope(rope.object("full_attention"), theta);
    }
    if (rope.has("sliding_attention")) {
      config.sliding_rope = parse_rope(rope.object("sliding_attention"), sliding_theta);
    }
  } else if (fields.has("rope_scaling")) {
    config.rope = parse_rope(fields.object("rope_scaling"), theta);
  }
}

Activation parse_activation(const Fields& fields, const char* key) {
  const std::string name =
      fields.text(key, key == std::string_view("hidden_act") ? "silu" : "gelu_pytorch_tanh");
  if (name == "silu") return Activation::kSilu;
  if (name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  fields.fail(key, name, "silu or gelu_pytorch_tanh");
}

// layer_types where the file has it, otherwise `slides(layer)`.
template <class Slides>
std::vector<bool> parse_layer_types(const Fields& fields, std::int64_t layers,
                                    const Slides& slides) {
  std::vector<bool> result(layers);
  if (!fields.has("layer_types")) {
    for (std::int64_t i = 0; i < layers; ++i) result[i] = slides(i);
    return result;
  }
  const json& types = fields.raw("layer_types");
  if (!types.is_array() || static_cast<std::int64_t>(types.size()) != layers) {
    fields.fail("layer_types", types, fmt::format("a list of {} layers", layers));
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    if (types[i] != "sliding_attention" && types[i] != "full_attention") {
      fields.fail("layer_types", types[i], "full_attention or sliding_attention");
    }
    result[i] = types[i] == "sliding_attention";
  }
  return result;
}

void parse_llama(const Fields& fields, Config& config) {
  config.qkv_bias = config.output_bias = fields.flag("attention_bias", false);
  config.mlp_bias = fields.flag("mlp_bias", false);
  config.slides.assign(config.num_hidden_layers, false);
}

void parse_mistral(const Fields& fields, Config& config) {
  // null means none, absent means the default of transformers.
  const bool none = fields.contains("sliding_window") && !fields.has("sliding_window");
  config.sliding_window = none ? 0 : fields.size("sliding_window", 4096);
  config.slides.assign(config.num_hidden_layers, config.sliding_window > 0);
}

void parse_qwen(const Fields& fields, Config& config) {
  config.qk_norm = config.model_type == "qwen3";
  config.output_bias = config.qk_norm && fields.flag("attention_bias", false);
  config.qkv_bias = !config.qk_norm || config.output_bias;
  const bool slides = fields.flag("use_sliding_window", false);
  const std::int64_t full_layers = fields.size("max_window_layers", 28);
  config.slides = parse_layer_types(fields, config.num_hidden_layers,
                                    [&](std::int64_t i) { return slides && i >= full_layers; });
  if (slides) config.sliding_window = fields.size("sliding_window", 4096);
}

void parse_gemma(const Fields& fields, Config& config) {
  config.qkv_bias = config.output_bias = fields.flag("attention_bias", false);
  config.qk_norm = config.norm_adds_one = config.sandwich_norms = true;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.attention_scale = 1.0 / std::sqrt(fields.positive("query_pre_attn_scalar", 256.0));
  config.final_logit_softcapping = fields.positive("final_logit_softcapping", 0.0);
  if (fields.has("attn_logit_softcapping")) {
    fields.fail("attn_logit_softcapping", fields.raw("attn_logit_softcapping"), "null");
  }
  if (fields.flag("use_bidirectional_attention", false)) {
    fields.fail("use_bidirectional_attention", true, "false");
  }
  const std::int64_t pattern = fields.size("sliding_window_pattern", 6);
  config.sliding_window = fields.size("sliding_window", 4096);
  config.slides = parse_layer_types(fields, config.num_hidden_layers,
                                    [&](std::int64_t i) { return (i + 1) % pattern != 0; });
}

void parse_sizes(const Fields& fields, Config& config) {
  const bool gemma = config.model_type == "gemma3_text";
  config.vocab_size = fields.size("vocab_size");
  config.hidden_size = fields.size("hidden_size");
  config.intermediate_size = fields.size("intermediate_size");
  config.num_hidden_layers = fields.size("num_hidden_layers");
  config.num_attention_heads = fields.size("num_attention_heads");
  config.num_key_value_heads = fields.size("num_key_value_heads", config.num_attention_heads);
  config.max_position_embeddings = fields.size("max_position_embeddings");
  config.rms_norm_eps = fields.positive("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = fields.flag("tie_word_embeddings", gemma);
  const std::int64_t default_head_dim = gemma ? 256
                                        : config.model_type == "qwen3"
                                            ? 128
                                            : config.hidden_size / config.num_attention_heads;
  if (!fields.has("head_dim") && !gemma && config.model_type != "qwen3" &&
      config.hidden_size % config.num_attention_heads != 0) {
    fields.fail("num_attention_heads", config.num_attention_heads,
                fmt::format("a divisor of hidden_size {}", config.hidden_size));
  }
  config.head_dim = fields.size("head_dim", default_head_dim);
  if (config.head_dim % 2 != 0) fields.fail("head_dim", config.head_dim, "an even number");
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fields.fail("num_key_value_heads", config.num_key_value_heads,
                fmt::format("a divisor of num_attention_heads {}", config.num_attention_heads));
  }
}

std::string parse_dtype(const Fields& fields) {
  const char* key = fields.has("dtype") ? "dtype" : "torch_dtype";
  const std::string dtype = fields.text(key, "float32");
  if (dtype != "float32" && dtype != "float16" && dtype != "bfloat16") {
    fields.fail(key, dtype, "float32, float16 or bfloat16");
  }
  return dtype;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& file) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::exception& error) {
    throw Error(fmt::format("[load_config] {}: not valid JSON: {}", file, error.what()));
  }
  const Fields fields(root, "", file);
  Config config;
  config.model_type = fields.text("model_type", "");
  if (std::find(kModelTypes.begin(), kModelTypes.end(), config.model_type) == kModelTypes.end()) {
    fields.fail("model_type", config.model_type,
                fmt::format("one of {}", fmt::join(kModelTypes, ", ")));
  }
  config.dtype = parse_dtype(fields);
  parse_sizes(fields, config);
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  if (config.model_type == "gemma3_text") {
    config.activation = parse_activation(fields, "hidden_activation");
    parse_gemma_rope(fields, config);
    parse_gemma(fields, config);
    return config;
  }
  config.activation = parse_activation(fields, "hidden_act");
  config.rope = config.sliding_rope = parse_model_rope(fields, 1e4);
  if (config.model_type == "llama") parse_llama(fields, config);
  if (config.model_type == "mistral") parse_mistral(fields, config);
  if (config.model_type == "qwen2" || config.model_type == "qwen3") parse_qwen(fields, config);
  return config;
}

Config load_config(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "config.json";
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(fmt::format("[load_config] {}: cannot be opened", file.string()));
  std::stringstream text;
  text << stream.rdbuf();
  return parse_config(text.str(), file.string());
}

}  // namespace lowp::models
