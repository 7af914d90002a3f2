// One token through the decoder by kernels on rows of one buffer: no tensor is made between the
// layers (nn/linear_row.h says what one costs). The arithmetic is that of decoder.cpp.
#include <algorithm>
#include <utility>

#include "kernels/attention_decode/attention_decode.h"
#include "kernels/gated_activation/gated_activation.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rotary/rotary.h"
#include "models/decode_rows.h"
#include "models/decoder.h"
#include "nn/linear_row.h"
#include "nn/quantized_state.h"
#include "nn/torch_threads.h"

namespace lowp::models {
namespace {

using kernels::Matrix;
using kernels::MutableMatrix;

MutableMatrix row_of(const torch::Tensor& tensor) {
  const std::int64_t size = tensor.numel();
  return {tensor.data_ptr(), nn::from_torch(tensor.scalar_type()), 1, size, size};
}

Matrix readable(const MutableMatrix& row) {
  return {row.data, row.dtype, row.rows, row.cols, row.stride};
}

Matrix weight_of(const Norm& norm) {
  return norm.weight.defined() ? readable(row_of(norm.weight)) : Matrix{};
}

// Elements [begin, begin + count) of a row.
Matrix part(const MutableMatrix& row, std::int64_t begin, std::int64_t count) {
  return {static_cast<char*>(row.data) + begin * bits(row.dtype) / 8, row.dtype, 1, count, count};
}

// The norm of x, or, with a residual, of residual + x, which becomes the residual.
void normalize(const Norm& norm, const MutableMatrix& x, const MutableMatrix& residual,
               const MutableMatrix& out) {
  kernels::rms_norm({.x = readable(x),
                     .residual = residual,
                     .weight = weight_of(norm),
                     .epsilon = static_cast<float>(norm.eps),
                     .weight_offset = static_cast<float>(norm.offset),
                     .out = out,
                     .parallel = nullptr});
}

// A layer of the cache from position `begin` on: (KV, capacity - begin, D).
kernels::CacheSlots slots(const torch::Tensor& cache, std::int64_t begin) {
  const DType dtype = nn::from_torch(cache.scalar_type());
  auto* data = static_cast<char*>(cache.data_ptr()) + begin * cache.stride(1) * bits(dtype) / 8;
  return {data, dtype, cache.stride(0)};
}

}  // namespace

DecodeRows::DecodeRows(const Config& config, const torch::Tensor& embedding)
    : residual(row_of(embedding)) {
  const std::int64_t q_size = config.num_attention_heads * config.head_dim;
  const std::int64_t kv_size = config.num_key_value_heads * config.head_dim;
  const std::pair<MutableMatrix*, std::int64_t> rows[] = {{&x, config.hidden_size},
                                                          {&delta, config.hidden_size},
                                                          {&qkv, q_size + 2 * kv_size},
                                                          {&q, q_size},
                                                          {&attended, q_size},
                                                          {&gate_up, 2 * config.intermediate_size},
                                                          {&gated, config.intermediate_size}};
  constexpr std::int64_t kAlignment = 64;  // elements
  const auto padded = [](std::int64_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::int64_t total = 0;
  for (const auto& [row, size] : rows) total += padded(size);
  memory_ = torch::empty({total}, embedding.options());
  auto* data = static_cast<char*>(memory_.data_ptr());
  for (const auto& [row, size] : rows) {
    *row = {data, residual.dtype, 1, size, size};
    data += padded(size) * bits(residual.dtype) / 8;
  }
}

// rows.x to rows.delta
void AttentionImpl::decode(const Positions& positions, KvCache& cache, DecodeRows& rows) {
  const std::int64_t head_dim = cache.keys(layer_).size(2), kv_heads = cache.keys(layer_).size(0);
  const std::int64_t q_size = rows.q.cols, kv_size = kv_heads * head_dim;
  const HeadNorms norms =
      q_norm_ != nullptr ? HeadNorms{q_norm_->norm(), k_norm_->norm()} : HeadNorms{};
  qkv_.row(readable(rows.x), rows.qkv);
  kernels::rotary({.q = part(rows.qkv, 0, q_size),
                   .k = part(rows.qkv, q_size, kv_size),
                   .v = part(rows.qkv, q_size + kv_size, kv_size),
                   .head_dim = head_dim,
                   .cos = positions.rotation.cos.const_data_ptr<float>(),
                   .sin = positions.rotation.sin.const_data_ptr<float>(),
                   .q_weight = weight_of(norms.q),
                   .k_weight = weight_of(norms.k),
                   .epsilon = static_cast<float>(norms.q.eps),
                   .weight_offset = static_cast<float>(norms.q.offset),
                   .q_out = rows.q,
                   .k_out = slots(cache.keys(layer_), positions.begin),
                   .v_out = slots(cache.values(layer_), positions.begin),
                   .parallel = nullptr});
  const kernels::CacheSlots keys = slots(cache.keys(layer_), positions.first_key);
  const std::int64_t heads = q_size / head_dim;
  kernels::attention_decode(
      {.q = {rows.q.data, rows.q.dtype, heads, head_dim, head_dim},
       .keys = keys.data,
       .values = slots(cache.values(layer_), positions.first_key).data,
       .head_stride = keys.head_stride,
       .kv_heads = kv_heads,
       .positions = positions.begin + 1 - positions.first_key,
       .scale = static_cast<float>(scale_),
       .out = {rows.attended.data, rows.attended.dtype, heads, head_dim, head_dim},
       .parallel = torch_threads()});
  nn::linear_row(*o_proj_, readable(rows.attended), rows.delta);
}

// rows.x to rows.delta
void MlpImpl::decode(DecodeRows& rows) {
  const std::int64_t inner = rows.gated.cols;
  gate_up_.row(readable(rows.x), rows.gate_up);
  kernels::gated_activation({.gate = part(rows.gate_up, 0, inner),
                             .up = part(rows.gate_up, inner, inner),
                             .out = rows.gated,
                             .activation = activation_ == Activation::kSilu
                                               ? kernels::GateActivation::kSilu
                                               : kernels::GateActivation::kGeluTanh,
                             .parallel = nullptr});
  nn::linear_row(*down_proj_, readable(rows.gated), rows.delta);
}

// rows.x, the input's norm, to rows.delta, the layer's last term; the others go to the residual.
void DecoderLayerImpl::decode(const Positions& positions, KvCache& cache, DecodeRows& rows) {
  const auto normalize_delta = [&rows](const RmsNormImpl& norm) {
    normalize(norm.norm(), rows.delta, {}, rows.x);
    std::swap(rows.delta, rows.x);
  };
  attention_->decode(positions, cache, rows);
  if (attention_out_norm_ != nullptr) normalize_delta(*attention_out_norm_);
  normalize(mlp_norm_->norm(), rows.delta, rows.residual, rows.x);
  mlp_->decode(rows);
  if (mlp_out_norm_ != nullptr) normalize_delta(*mlp_out_norm_);
}

torch::Tensor DecoderImpl::decode(const torch::Tensor& ids, std::int64_t begin, KvCache& cache) {
  const torch::Tensor embedding = embed(ids);
  DecodeRows rows(config_, embedding);
  const Positions full = make_positions(begin, 1, false);
  const Positions sliding = config_.sliding_window > 0 ? make_positions(begin, 1, true) : full;
  normalize(layers_.front()->input_norm(), rows.residual, {}, rows.x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->decode(config_.slides[i] ? sliding : full, cache, rows);
    const bool last = i + 1 == layers_.size();
    const Norm next = last ? norm_->norm() : layers_[i + 1]->input_norm();
    normalize(next, rows.delta, rows.residual, rows.x);
  }
  const torch::Tensor hidden = torch::empty_like(embedding);
  std::copy_n(static_cast<const char*>(rows.x.data), hidden.nbytes(),
              static_cast<char*>(hidden.data_ptr()));
  return hidden;
}

}  // namespace lowp::models
