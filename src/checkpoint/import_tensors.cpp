#include "checkpoint/import_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unordered_set>

#include "checkpoint/gguf_cursor.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

class Plan {
 public:
  Plan(const Gguf& gguf, const ImportedModel& model) : gguf_(gguf), model_(model) {}

  std::vector<ImportedTensor> build() {
    add("token_embd.weight", "model.embed_tokens.weight", {model_.vocab_size, model_.hidden_size});
    for (std::int64_t layer = 0; layer < model_.layers; ++layer) {
      from_ = fmt::format("blk.{}.", layer);
      to_ = fmt::format("model.layers.{}.", layer);
      add_norms();
      add_attention();
      add_mlp();
    }
    from_ = to_ = "";
    add_norm("output_norm", "model.norm", model_.hidden_size);
    if (!model_.tied_embeddings) {
      add("output.weight", "lm_head.weight", {model_.vocab_size, model_.hidden_size});
    }
    reject_unused();
    return std::move(tensors_);
  }

 private:
  void add_norms() {
    add_norm("attn_norm", "input_layernorm", model_.hidden_size);
    if (model_.architecture == Architecture::kGemma3) {
      add_norm("post_attention_norm", "post_attention_layernorm", model_.hidden_size);
      add_norm("ffn_norm", "pre_feedforward_layernorm", model_.hidden_size);
      add_norm("post_ffw_norm", "post_feedforward_layernorm", model_.hidden_size);
    } else {
      add_norm("ffn_norm", "post_attention_layernorm", model_.hidden_size);
    }
  }

  void add_attention() {
    const std::int64_t hidden = model_.hidden_size;
    const std::int64_t q = model_.heads * model_.head_dim;
    const std::int64_t kv = model_.kv_heads * model_.head_dim;
    const bool interleaved = model_.architecture == Architecture::kLlama;
    add_linear("attn_q", "self_attn.q_proj", q, hidden, model_.qkv_bias,
               interleaved ? model_.heads : 0);
    add_linear("attn_k", "self_attn.k_proj", kv, hidden, model_.qkv_bias,
               interleaved ? model_.kv_heads : 0);
    add_linear("attn_v", "self_attn.v_proj", kv, hidden, model_.qkv_bias);
    add_linear("attn_output", "self_attn.o_proj", hidden, q, model_.attention_bias);
    if (model_.architecture == Architecture::kQwen3 ||
        model_.architecture == Architecture::kGemma3) {
      add_norm("attn_q_norm", "self_attn.q_norm", model_.head_dim);
      add_norm("attn_k_norm", "self_attn.k_norm", model_.head_dim);
    }
  }

  void add_mlp() {
    const std::int64_t hidden = model_.hidden_size;
    const std::int64_t intermediate = model_.intermediate_size;
    add_linear("ffn_gate", "mlp.gate_proj", intermediate, hidden, model_.mlp_bias);
    add_linear("ffn_up", "mlp.up_proj", intermediate, hidden, model_.mlp_bias);
    add_linear("ffn_down", "mlp.down_proj", hidden, intermediate, model_.mlp_bias);
  }

  void add_norm(const std::string& from, const std::string& to, std::int64_t size) {
    add(from + ".weight", to + ".weight", {size});
    tensors_.back().subtract_one = model_.architecture == Architecture::kGemma3;
  }

  // A weight (n, k), a bias (n) if the model has one.
  void add_linear(const std::string& from, const std::string& to, std::int64_t n, std::int64_t k,
                  bool bias, std::int64_t interleaved_heads = 0) {
    add(from + ".weight", to + ".weight", {n, k});
    tensors_.back().interleaved_heads = interleaved_heads;
    if (!bias) return;
    add(from + ".bias", to + ".bias", {n});
    tensors_.back().interleaved_heads = interleaved_heads;
  }

  void add(const std::string& from, const std::string& to, std::vector<std::int64_t> shape) {
    const std::string name = from_ + from;
    const GgufTensor* source = gguf_.find(name);
    if (source == nullptr) fail(name, "is missing");
    if (source->shape != shape) {
      fail(name, fmt::format("has shape {}, expected {}", source->shape, shape));
    }
    const GgufTypeInfo type = gguf_type_info(source->type);
    if (!type.can_dequantize) {
      fail(name, fmt::format("has type {}, expected one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
                             "Q5_1, Q4_K, Q5_K, Q6_K",
                             type.name));
    }
    used_.insert(source);
    tensors_.push_back({to_ + to, std::move(shape), source});
  }

  // A tensor left out would be a part of the model lost.
  void reject_unused() const {
    for (const GgufTensor& tensor : gguf_.tensors()) {
      if (tensor.name == "rope_freqs.weight") continue;  // read into rope_scaling
      if (!used_.contains(&tensor)) fail(tensor.name, "is not one of this architecture's");
    }
  }

  [[noreturn]] void fail(const std::string& name, std::string_view problem) const {
    throw Error(fmt::format("[import] '{}': tensor '{}' {}", gguf_.path().string(), printable(name),
                            problem));
  }

  const Gguf& gguf_;
  const ImportedModel& model_;
  std::string from_;  // prefixes of the layer
  std::string to_;
  std::vector<ImportedTensor> tensors_;
  std::unordered_set<const GgufTensor*> used_;
};

}  // namespace

std::vector<ImportedTensor> plan_import(const Gguf& gguf, const ImportedModel& model) {
  return Plan(gguf, model).build();
}

}  // namespace lowp::checkpoint
