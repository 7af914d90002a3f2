#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lowp::models {

enum class RopeScaling : std::uint8_t { kNone, kLinear, kLlama3 };

// Rotary embedding: the base frequencies theta^(-2i/head_dim) and what stretches them to a longer
// context.
struct Rope {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;
  // Of kLlama3 alone.
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position_embeddings = 8192;
};

enum class Activation : std::uint8_t { kSilu, kGeluTanh };

// A decoder of the Llama family: what config.json says, with the differences between the
// architectures spelled out as options.
struct Config {
  std::string model_type;  // "llama", "qwen2", "qwen3", "mistral", "gemma3_text"
  std::string dtype;       // of the checkpoint: "float32", "float16", "bfloat16"
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  Activation activation = Activation::kSilu;

  bool tie_word_embeddings = false;
  bool qkv_bias = false;     // Qwen2; Llama and others with attention_bias
  bool output_bias = false;  // of o_proj: attention_bias
  bool mlp_bias = false;
  bool qk_norm = false;         // RMSNorm over each head of q and k (Qwen3, Gemma 3)
  bool norm_adds_one = false;   // norms multiply by 1 + weight (Gemma)
  bool sandwich_norms = false;  // a norm after attention and MLP too, before the residual (Gemma)

  double attention_scale = 0.0;          // of q k^T
  double embedding_scale = 1.0;          // sqrt(hidden_size) for Gemma
  double final_logit_softcapping = 0.0;  // c tanh(logit / c); 0: none

  std::int64_t sliding_window = 0;  // positions that a sliding layer sees, itself included
  std::vector<bool> slides;         // one a layer
  Rope rope;                        // of the layers that see everything
  Rope sliding_rope;                // of the sliding layers
};

// Reads the text of config.json; `file` is what errors name. Throws lowp::Error for a model type or
// an option that is not supported, a missing or ill-typed field, and sizes that do not fit
// together.
Config parse_config(std::string_view text, const std::string& file);

// Reads DIRECTORY/config.json.
Config load_config(const std::filesystem::path& directory);

}  // namespace lowp::models
