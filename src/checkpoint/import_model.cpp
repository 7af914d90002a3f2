#include "checkpoint/import_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "checkpoint/gguf_cursor.h"
#include "checkpoint/gguf_fields.h"
#include "checkpoint/import_rope.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

using nlohmann::ordered_json;

struct ArchitectureInfo {
  Architecture architecture;
  const char* gguf_name;   // general.architecture
  const char* model_type;  // config.json
  const char* class_name;
};

// Mistral's files say "llama": the same model.
constexpr std::array kArchitectures{
    ArchitectureInfo{Architecture::kLlama, "llama", "llama", "LlamaForCausalLM"},
    ArchitectureInfo{Architecture::kQwen2, "qwen2", "qwen2", "Qwen2ForCausalLM"},
    ArchitectureInfo{Architecture::kQwen3, "qwen3", "qwen3", "Qwen3ForCausalLM"},
    ArchitectureInfo{Architecture::kGemma3, "gemma3", "gemma3_text", "Gemma3ForCausalLM"},
};

const ArchitectureInfo& find_architecture(const Gguf& gguf) {
  const GgufFields general(gguf, "general.");
  const std::string name = general.text("architecture");
  std::string known;
  for (const ArchitectureInfo& info : kArchitectures) {
    if (name == info.gguf_name) return info;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", info.gguf_name);
  }
  general.fail("architecture",
               fmt::format("value is '{}', expected one of {}", printable(name), known));
}

// Rows of the embedding: tokenizer and metadata may list fewer tokens.
std::int64_t read_vocab_size(const Gguf& gguf, std::int64_t hidden_size) {
  const GgufTensor* embedding = gguf.find("token_embd.weight");
  if (embedding == nullptr) {
    throw Error(
        fmt::format("[gguf] '{}': tensor 'token_embd.weight' is missing", gguf.path().string()));
  }
  if (embedding->shape.size() != 2 || embedding->shape[1] != hidden_size) {
    throw Error(
        fmt::format("[gguf] '{}': tensor 'token_embd.weight': {} dimensions, expected "
                    "(vocab_size, {})",
                    gguf.path().string(), embedding->shape.size(), hidden_size));
  }
  return embedding->shape[0];
}

void read_attention(const GgufFields& fields, ImportedModel& model) {
  model.heads = fields.size("attention.head_count");
  model.kv_heads = fields.size("attention.head_count_kv", model.heads);
  if (model.heads % model.kv_heads != 0) {
    fields.fail("attention.head_count_kv", fmt::format("value is {}, expected a divisor of the {} "
                                                       "heads of attention.head_count",
                                                       model.kv_heads, model.heads));
  }
  if (!fields.has("attention.key_length") && model.hidden_size % model.heads != 0) {
    fields.fail("attention.head_count",
                fmt::format("value is {}, expected a divisor of embedding_length {}", model.heads,
                            model.hidden_size));
  }
  model.head_dim = fields.size("attention.key_length", model.hidden_size / model.heads);
  if (model.head_dim % 2 != 0) {
    fields.fail("attention.key_length",
                fmt::format("the head dimension is {}, expected an even one", model.head_dim));
  }
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    if (const std::int64_t length = fields.size(key, model.head_dim); length != model.head_dim) {
      fields.fail(
          key, fmt::format("value is {}, expected the head dimension {}", length, model.head_dim));
    }
  }
}

void read_biases(const Gguf& gguf, const ArchitectureInfo& info, ImportedModel& model) {
  model.qkv_bias = gguf.find("blk.0.attn_q.bias") != nullptr;
  const bool output_bias = gguf.find("blk.0.attn_output.bias") != nullptr;
  model.attention_bias = model.qkv_bias && output_bias;
  model.mlp_bias = gguf.find("blk.0.ffn_up.bias") != nullptr;
  const bool qwen2 = info.architecture == Architecture::kQwen2;
  const bool attention_fits =
      qwen2 ? model.qkv_bias && !output_bias : model.qkv_bias == output_bias;
  if (!attention_fits || (model.mlp_bias && info.architecture != Architecture::kLlama)) {
    throw Error(fmt::format(
        "[gguf] '{}': blk.0 has bias tensors as no {} model has them: attn_q {}, attn_output {}, "
        "ffn_up {}",
        gguf.path().string(), info.model_type, model.qkv_bias, output_bias, model.mlp_bias));
  }
}

Gemma3Options read_gemma3(const GgufFields& fields, const ImportedModel& model) {
  Gemma3Options options;
  options.sliding_window = fields.size("attention.sliding_window");
  options.sliding_window_pattern = fields.size("attention.sliding_window_pattern", 6);
  options.rope_local_base_freq = fields.find_positive("rope.freq_base_swa").value_or(10000.0);
  options.final_logit_softcapping = fields.find_positive("final_logit_softcapping");
  options.attn_logit_softcapping = fields.find_positive("attn_logit_softcapping");
  // Files of the 27B model, the one with 62 layers, do not say that its scale is another.
  constexpr std::int64_t kLayersOf27B = 62;
  options.query_pre_attn_scalar =
      model.layers == kLayersOf27B ? model.hidden_size / model.heads : model.head_dim;
  if (const auto scale = fields.find_positive("attention.scale")) {
    options.query_pre_attn_scalar = std::llround(1.0 / (*scale * *scale));
  }
  return options;
}

// The ids that end a text: of the document, of a turn, of a message.
ordered_json end_token_ids(const GgufFields& tokens, std::int64_t vocab_size) {
  ordered_json ids = ordered_json::array();
  for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const auto id = tokens.find_index(key, vocab_size);
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? ordered_json(ids[0]) : ids;
}

void add_special_tokens(const Gguf& gguf, const ImportedModel& model, ordered_json& config) {
  const GgufFields tokens(gguf, "tokenizer.ggml.");
  const auto bos = tokens.find_index("bos_token_id", model.vocab_size);
  const auto pad = tokens.find_index("padding_token_id", model.vocab_size);
  config["bos_token_id"] = bos ? ordered_json(*bos) : ordered_json();
  config["eos_token_id"] = end_token_ids(tokens, model.vocab_size);
  config["pad_token_id"] = pad ? ordered_json(*pad) : ordered_json();
}

void add_gemma3(const ImportedModel& model, ordered_json& config) {
  const Gemma3Options& options = model.gemma3;
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["query_pre_attn_scalar"] = options.query_pre_attn_scalar;
  config["rope_local_base_freq"] = options.rope_local_base_freq;
  config["sliding_window"] = options.sliding_window;
  ordered_json types = ordered_json::array();
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const bool full = (i + 1) % options.sliding_window_pattern == 0;
    types.push_back(full ? "full_attention" : "sliding_attention");
  }
  config["layer_types"] = types;
  const auto or_null = [](const auto& value) { return value ? ordered_json(*value) : nullptr; };
  config["final_logit_softcapping"] = or_null(options.final_logit_softcapping);
  config["attn_logit_softcapping"] = or_null(options.attn_logit_softcapping);
}

}  // namespace

ImportedModel read_gguf_model(const Gguf& gguf) {
  const GgufFields split(gguf, "split.");
  if (const std::int64_t parts = split.find_index("count", 1 << 16).value_or(0); parts > 1) {
    split.fail("count", fmt::format("value is {}: a model in parts, expected one file (merge them "
                                    "with llama-gguf-split --merge)",
                                    parts));
  }
  const ArchitectureInfo& info = find_architecture(gguf);
  const GgufFields fields(gguf, fmt::format("{}.", info.gguf_name));
  if (const std::int64_t experts = fields.find_index("expert_count", 1 << 20).value_or(0)) {
    fields.fail("expert_count",
                fmt::format("value is {}: mixtures of experts are not supported", experts));
  }
  ImportedModel model{};
  model.architecture = info.architecture;
  model.layers = fields.size("block_count");
  model.hidden_size = fields.size("embedding_length");
  model.intermediate_size = fields.size("feed_forward_length");
  model.context_length = fields.size("context_length");
  model.rms_norm_eps = fields.positive("attention.layer_norm_rms_epsilon");
  read_attention(fields, model);
  model.vocab_size = read_vocab_size(gguf, model.hidden_size);
  model.tied_embeddings = gguf.find("output.weight") == nullptr;
  read_biases(gguf, info, model);
  const bool gemma = info.architecture == Architecture::kGemma3;
  model.rope_theta = fields.find_positive("rope.freq_base").value_or(gemma ? 1e6 : 1e4);
  model.rope_scaling = read_rope_scaling(gguf, fields, model.rope_theta, model.head_dim);
  if (gemma) model.gemma3 = read_gemma3(fields, model);
  return model;
}

ordered_json hugging_face_config(const Gguf& gguf, const ImportedModel& model,
                                 const std::string& dtype) {
  const ArchitectureInfo& info = find_architecture(gguf);
  ordered_json config;
  config["architectures"] = {info.class_name};
  config["model_type"] = info.model_type;
  config["torch_dtype"] = dtype;
  config["vocab_size"] = model.vocab_size;
  config["hidden_size"] = model.hidden_size;
  config["intermediate_size"] = model.intermediate_size;
  config["num_hidden_layers"] = model.layers;
  config["num_attention_heads"] = model.heads;
  config["num_key_value_heads"] = model.kv_heads;
  config["head_dim"] = model.head_dim;
  config["max_position_embeddings"] = model.context_length;
  config["rms_norm_eps"] = model.rms_norm_eps;
  config["rope_theta"] = model.rope_theta;
  config["rope_scaling"] = model.rope_scaling;
  config["attention_dropout"] = 0.0;
  config["tie_word_embeddings"] = model.tied_embeddings;
  config["use_cache"] = true;
  add_special_tokens(gguf, model, config);
  if (info.architecture == Architecture::kGemma3) {
    add_gemma3(model, config);
  } else {
    config["hidden_act"] = "silu";
  }
  if (info.architecture == Architecture::kLlama) config["mlp_bias"] = model.mlp_bias;
  if (info.architecture == Architecture::kQwen2) {
    config["use_sliding_window"] = false;
  } else {
    config["attention_bias"] = model.attention_bias;
  }
  return config;
}

ordered_json hugging_face_generation_config(const Gguf& gguf, const ImportedModel& model) {
  ordered_json config;
  add_special_tokens(gguf, model, config);
  const GgufFields sampling(gguf, "general.sampling.");
  struct Option {
    const char* key;
    const char* name;
  };
  for (const Option& option : {Option{"temp", "temperature"}, Option{"top_p", "top_p"}}) {
    if (const auto value = sampling.find_positive(option.key)) {
      config["do_sample"] = true;
      config[option.name] = *value;
    }
  }
  if (const auto top_k = sampling.find_size("top_k")) {
    config["do_sample"] = true;
    config["top_k"] = *top_k;
  }
  return config;
}

}  // namespace lowp::checkpoint
