#pragma once

#include <torch/types.h>

#include <vector>

#include "lowp/models/config.h"

namespace lowp::models {

// Keys and values of every position seen so far, allocated once for `capacity` positions.
class KvCache {
 public:
  // Throws lowp::Error if capacity is not positive.
  KvCache(const Config& config, std::int64_t capacity, torch::TensorOptions options);

  std::int64_t capacity() const { return capacity_; }
  std::int64_t length() const { return length_; }

  // Forgets everything from position `length` on.
  void truncate(std::int64_t length);

  // (num_key_value_heads, capacity, head_dim) of one layer; positions below length() are set.
  torch::Tensor& keys(std::int64_t layer) { return keys_[layer]; }
  torch::Tensor& values(std::int64_t layer) { return values_[layer]; }

 private:
  friend class CausalLMImpl;
  std::int64_t capacity_;
  std::int64_t length_ = 0;
  std::vector<torch::Tensor> keys_;
  std::vector<torch::Tensor> values_;
};

}  // namespace lowp::models
