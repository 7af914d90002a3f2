// The modules of a Llama-family decoder, named as in its checkpoints. One sequence at a time:
// T is its number of new tokens, H and KV the numbers of query and key-value heads, D the head_dim.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "lowp/models/config.h"
#include "lowp/models/kv_cache.h"
#include "lowp/nn/linear.h"
#include "models/functional.h"
#include "models/linear_group.h"
#include "models/rotary_table.h"

namespace lowp::models {

// What all layers of one kind (sliding or not) share in one call.
struct Positions {
  std::int64_t begin;  // of the first new token
  std::int64_t count;  // T
  Rotation rotation;   // of the new tokens
  torch::Tensor mask;  // (T, begin + T) bool, or undefined: causal from position 0, or T = 1
  std::int64_t first_key = 0;  // keys before it are out of every new token's window
  torch::Tensor key_range;     // of a step in device memory alone, which then says what counts
};

// One token whose place is in device memory (kernels/decode_advance/decode_advance.h), so that the
// launches of one step serve all positions. The tables hold all positions of the cache.
struct DeviceStep {
  torch::Tensor state;  // (7) int64
  Rotation rotation;
  Rotation sliding_rotation;
};

class DecodeRows;

// y = x / sqrt(mean(x^2) + eps) * weight, computed in fp32 (1 + weight for Gemma).
class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(const Config& config, std::int64_t size, torch::TensorOptions options);

  torch::Tensor forward(const torch::Tensor& x) const;  // x (*, size)
  // residual += delta; returns the norm of the sum. `residual` may be a new tensor afterwards.
  torch::Tensor add_and_forward(torch::Tensor& residual, const torch::Tensor& delta) const;

  Norm norm() const { return {weight, eps_, weight_offset_}; }
  torch::Tensor weight;

 private:
  double eps_;
  double weight_offset_;  // 1 for Gemma
};

class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(const Config& config, std::int64_t layer, torch::TensorOptions options);

  // x (T, hidden_size); keys and values of the new tokens go into the cache if there is one.
  torch::Tensor forward(const torch::Tensor& x, const Positions& positions, KvCache* cache);
  void decode(const Positions& positions, KvCache& cache, DecodeRows& rows);
  void stack_projections() { qkv_.stack(); }

 private:
  std::int64_t layer_;
  double scale_;
  LinearGroup qkv_;  // q_proj, k_proj, v_proj
  nn::Linear o_proj_{nullptr};
  std::shared_ptr<RmsNormImpl> q_norm_, k_norm_;  // null unless config.qk_norm
};

// down(activation(gate(x)) * up(x))
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(const Config& config, torch::TensorOptions options);
  torch::Tensor forward(const torch::Tensor& x);
  void decode(DecodeRows& rows);
  void stack_projections() { gate_up_.stack(); }

 private:
  Activation activation_;
  LinearGroup gate_up_;  // gate_proj, up_proj
  nn::Linear down_proj_{nullptr};
};

class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(const Config& config, std::int64_t layer, torch::TensorOptions options);

  // residual += what the layer adds, all but its last term, which is returned: the norm that comes
  // next adds it. `delta` is that term of the layer before, undefined for the first.
  torch::Tensor forward(torch::Tensor& residual, const torch::Tensor& delta,
                        const Positions& positions, KvCache* cache);
  void decode(const Positions& positions, KvCache& cache, DecodeRows& rows);
  Norm input_norm() const { return attention_norm_->norm(); }
  void stack_projections();

 private:
  std::shared_ptr<AttentionImpl> attention_;
  std::shared_ptr<MlpImpl> mlp_;
  std::shared_ptr<RmsNormImpl> attention_norm_, mlp_norm_;          // before
  std::shared_ptr<RmsNormImpl> attention_out_norm_, mlp_out_norm_;  // after, or null
};

class DecoderImpl : public torch::nn::Module {
 public:
  DecoderImpl(const Config& config, torch::TensorOptions options);

  // Hidden states (T, hidden_size) after the last norm; of the last token alone if `last_only`.
  torch::Tensor forward(const torch::Tensor& ids, std::int64_t begin, KvCache* cache,
                        bool last_only);
  // The same for one token, by kernels alone: decode.cpp.
  torch::Tensor decode(const torch::Tensor& ids, std::int64_t begin, KvCache& cache);
  // The same on the GPU. Waits for nothing, and asks nothing of the host that a later replay of its
  // launches would miss.
  torch::Tensor decode(const DeviceStep& step, KvCache& cache);
  DeviceStep make_step(const torch::Tensor& state, std::int64_t capacity);
  void stack_projections();

  const torch::Tensor& embedding() const { return embedding_->weight; }

 private:
  struct EmbeddingImpl : torch::nn::Module {
    torch::Tensor weight;  // (vocab_size, hidden_size)
  };
  Positions make_positions(std::int64_t begin, std::int64_t count, bool slides);
  torch::Tensor run_layers(torch::Tensor residual, const Positions& full, const Positions& sliding,
                           KvCache* cache, bool last_only);
  torch::Tensor embed(const torch::Tensor& ids) const;

  Config config_;
  RotaryTable rotary_;
  RotaryTable sliding_rotary_;
  std::shared_ptr<EmbeddingImpl> embedding_;
  std::vector<std::shared_ptr<DecoderLayerImpl>> layers_;
  std::shared_ptr<RmsNormImpl> norm_;
};

}  // namespace lowp::models
