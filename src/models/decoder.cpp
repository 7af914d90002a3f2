#include "models/decoder.h"

#include <fmt/format.h>

#include <tuple>

#include "kernels/decode_advance/decode_advance.h"
#include "models/functional.h"

namespace lowp::models {
namespace {

nn::Linear make_linear(std::int64_t in, std::int64_t out, bool bias, torch::TensorOptions options) {
  return nn::Linear(torch::empty({out, in}, options),
                    bias ? torch::empty({out}, options) : torch::Tensor());
}

std::shared_ptr<RmsNormImpl> make_norm(const Config& config, std::int64_t size,
                                       torch::TensorOptions options) {
  return std::make_shared<RmsNormImpl>(config, size, options);
}

}  // namespace

RmsNormImpl::RmsNormImpl(const Config& config, std::int64_t size, torch::TensorOptions options)
    : weight(register_parameter("weight", torch::empty({size}, options))),
      eps_(config.rms_norm_eps),
      weight_offset_(config.norm_adds_one ? 1.0 : 0.0) {}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) const { return rms_norm(x, norm()); }

torch::Tensor RmsNormImpl::add_and_forward(torch::Tensor& residual,
                                           const torch::Tensor& delta) const {
  return add_rms_norm(residual, delta, norm());
}

AttentionImpl::AttentionImpl(const Config& config, std::int64_t layer, torch::TensorOptions options)
    : layer_(layer), scale_(config.attention_scale) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t q_size = config.num_attention_heads * config.head_dim;
  const std::int64_t kv_size = config.num_key_value_heads * config.head_dim;
  const bool bias = config.qkv_bias;
  qkv_ = LinearGroup({register_module("q_proj", make_linear(hidden, q_size, bias, options)),
                      register_module("k_proj", make_linear(hidden, kv_size, bias, options)),
                      register_module("v_proj", make_linear(hidden, kv_size, bias, options))});
  o_proj_ = register_module("o_proj", make_linear(q_size, hidden, config.output_bias, options));
  if (config.qk_norm) {
    q_norm_ = register_module("q_norm", make_norm(config, config.head_dim, options));
    k_norm_ = register_module("k_norm", make_norm(config, config.head_dim, options));
  }
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const Positions& positions,
                                     KvCache* cache) {
  const auto [begin, count, first] =
      std::tuple(positions.begin, positions.count, positions.first_key);
  const HeadNorms norms =
      q_norm_ != nullptr ? HeadNorms{q_norm_->norm(), k_norm_->norm()} : HeadNorms{};
  const bool device_step = positions.key_range.defined();
  torch::Tensor keys, values;
  if (device_step) {
    keys = cache->keys(layer_);
    values = cache->values(layer_);
  } else if (cache != nullptr) {
    keys = cache->keys(layer_).narrow(1, begin, count);
    values = cache->values(layer_).narrow(1, begin, count);
  }
  const std::vector<torch::Tensor> qkv = qkv_.forward(x);
  const torch::Tensor q = rotate(qkv[0], qkv[1], qkv[2], positions.rotation, norms, keys, values);
  if (device_step) {
    return o_proj_->forward(attend_to_range(q, keys, values, positions.key_range, scale_));
  }
  if (cache != nullptr) {
    keys = cache->keys(layer_).narrow(1, first, begin + count - first);
    values = cache->values(layer_).narrow(1, first, begin + count - first);
  }
  return o_proj_->forward(attend(q, keys, values, positions.mask, scale_));
}

MlpImpl::MlpImpl(const Config& config, torch::TensorOptions options)
    : activation_(config.activation) {
  const std::int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const bool bias = config.mlp_bias;
  gate_up_ = LinearGroup({register_module("gate_proj", make_linear(hidden, inner, bias, options)),
                          register_module("up_proj", make_linear(hidden, inner, bias, options))});
  down_proj_ = register_module("down_proj", make_linear(inner, hidden, bias, options));
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) {
  const std::vector<torch::Tensor> gate_up = gate_up_.forward(x);
  return down_proj_->forward(gated_activation(gate_up[0], gate_up[1], activation_));
}

DecoderLayerImpl::DecoderLayerImpl(const Config& config, std::int64_t layer,
                                   torch::TensorOptions options)
    : attention_(std::make_shared<AttentionImpl>(config, layer, options)),
      mlp_(std::make_shared<MlpImpl>(config, options)) {
  register_module("self_attn", attention_);
  register_module("mlp", mlp_);
  const auto norm = [&](const char* name) {
    return register_module(name, make_norm(config, config.hidden_size, options));
  };
  attention_norm_ = norm("input_layernorm");
  // Gemma gives the name that Llama has for the norm before the MLP to one after the attention.
  if (config.sandwich_norms) {
    attention_out_norm_ = norm("post_attention_layernorm");
    mlp_norm_ = norm("pre_feedforward_layernorm");
    mlp_out_norm_ = norm("post_feedforward_layernorm");
  } else {
    mlp_norm_ = norm("post_attention_layernorm");
  }
}

torch::Tensor DecoderLayerImpl::forward(torch::Tensor& residual, const torch::Tensor& delta,
                                        const Positions& positions, KvCache* cache) {
  torch::Tensor x = delta.defined() ? attention_norm_->add_and_forward(residual, delta)
                                    : attention_norm_->forward(residual);
  x = attention_->forward(x, positions, cache);
  if (attention_out_norm_ != nullptr) x = attention_out_norm_->forward(x);
  x = mlp_->forward(mlp_norm_->add_and_forward(residual, x));
  return mlp_out_norm_ != nullptr ? mlp_out_norm_->forward(x) : x;
}

void DecoderLayerImpl::stack_projections() {
  attention_->stack_projections();
  mlp_->stack_projections();
}

DecoderImpl::DecoderImpl(const Config& config, torch::TensorOptions options)
    : config_(config),
      rotary_(config.rope, config.head_dim),
      sliding_rotary_(config.sliding_rope, config.head_dim),
      embedding_(register_module("embed_tokens", std::make_shared<EmbeddingImpl>())) {
  embedding_->weight = embedding_->register_parameter(
      "weight", torch::empty({config.vocab_size, config.hidden_size}, options));
  const auto list = register_module("layers", std::make_shared<torch::nn::Module>());
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers_.push_back(list->register_module(
        fmt::to_string(i), std::make_shared<DecoderLayerImpl>(config, i, options)));
  }
  norm_ = register_module("norm", make_norm(config, config.hidden_size, options));
}

torch::Tensor DecoderImpl::forward(const torch::Tensor& ids, std::int64_t begin, KvCache* cache,
                                   bool last_only) {
  const Positions full = make_positions(begin, ids.size(0), false);
  const Positions sliding =
      config_.sliding_window > 0 ? make_positions(begin, ids.size(0), true) : full;
  return run_layers(embed(ids), full, sliding, cache, last_only);
}

torch::Tensor DecoderImpl::decode(const DeviceStep& step, KvCache& cache) {
  namespace places = kernels::decode_state;
  const torch::Tensor& state = step.state;
  Positions full{}, sliding{};
  full.rotation = step.rotation;
  full.key_range = state.narrow(0, places::kKeys, 2);
  sliding.rotation = step.sliding_rotation;
  sliding.key_range = state.narrow(0, places::kSlidingKeys, 2);
  return run_layers(embed(state.narrow(0, places::kToken, 1)), full, sliding, &cache,
                    /*last_only=*/false);
}

DeviceStep DecoderImpl::make_step(const torch::Tensor& state, std::int64_t capacity) {
  DeviceStep step{state, rotary_.rows(0, capacity, state.device()),
                  sliding_rotary_.rows(0, capacity, state.device())};
  step.rotation.position = step.sliding_rotation.position =
      state.narrow(0, kernels::decode_state::kPosition, 1);
  return step;
}

torch::Tensor DecoderImpl::run_layers(torch::Tensor residual, const Positions& full,
                                      const Positions& sliding, KvCache* cache, bool last_only) {
  torch::Tensor delta;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    delta = layers_[i]->forward(residual, delta, config_.slides[i] ? sliding : full, cache);
  }
  if (last_only) {
    residual = residual.slice(0, -1);
    delta = delta.slice(0, -1);
  }
  return norm_->add_and_forward(residual, delta);
}

void DecoderImpl::stack_projections() {
  for (const auto& layer : layers_) layer->stack_projections();
}

torch::Tensor DecoderImpl::embed(const torch::Tensor& ids) const {
  const torch::Tensor& weight = embedding_->weight;
  const torch::Tensor hidden = weight.index_select(0, ids);
  if (config_.embedding_scale == 1.0) return hidden;
  // The scale is rounded to the dtype of the model first, as Gemma was trained.
  return hidden * torch::full({}, config_.embedding_scale, weight.options());
}

// A query at position p sees keys from max(0, p - window + 1) to p.
Positions DecoderImpl::make_positions(std::int64_t begin, std::int64_t count, bool slides) {
  const torch::Device device = embedding_->weight.device();
  RotaryTable& rotary = slides ? sliding_rotary_ : rotary_;
  Positions positions{begin, count, rotary.rows(begin, count, device), {}, 0, {}};
  const std::int64_t end = begin + count, window = config_.sliding_window;
  const bool cut = slides && end > window;
  if (count == 1) {
    positions.first_key = cut ? end - window : 0;
  } else if (begin > 0 || cut) {
    const torch::Tensor queries = torch::arange(begin, end, device).unsqueeze(1);
    const torch::Tensor keys = torch::arange(end, device).unsqueeze(0);
    positions.mask = keys <= queries;
    if (cut) positions.mask &= keys > queries - window;
  }
  return positions;
}

}  // namespace lowp::models
