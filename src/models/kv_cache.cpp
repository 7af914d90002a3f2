#include "lowp/models/kv_cache.h"

#include <fmt/format.h>

#include "lowp/error.h"

namespace lowp::models {

KvCache::KvCache(const Config& config, std::int64_t capacity, torch::TensorOptions options)
    : capacity_(capacity) {
  if (capacity <= 0) {
    throw Error(fmt::format("[KvCache] bad capacity, got {}, expected at least 1", capacity));
  }
  // Zero, not empty: a kernel may load a whole vector past the last position before it masks it.
  const torch::Tensor all = torch::zeros(
      {config.num_hidden_layers, 2, config.num_key_value_heads, capacity, config.head_dim},
      options);
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    keys_.push_back(all[layer][0]);
    values_.push_back(all[layer][1]);
  }
}

void KvCache::truncate(std::int64_t length) {
  if (length < 0 || length > length_) {
    throw Error(fmt::format("[KvCache] bad length, got {}, expected 0 to {}", length, length_));
  }
  length_ = length;
}

}  // namespace lowp::models
