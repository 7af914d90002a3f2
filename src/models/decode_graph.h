// Decoding on the GPU: the launches of one step are recorded once, in a CUDA graph, and replayed
// for each token. Token, position and key ranges are in device memory, where the step itself moves
// them on.
#pragma once

#include <c10/core/Event.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <functional>

#include "lowp/models/config.h"
#include "lowp/models/kv_cache.h"
#include "models/decoder.h"

namespace lowp::models {

class DecodeGraph {
 public:
  static bool takes(const Config& config, torch::Device device);

  // Records the step that follows what the cache holds; `token` is its input. Decoder and cache
  // must outlive the graph; weights that change are not seen.
  DecodeGraph(DecoderImpl& decoder, std::function<torch::Tensor(const torch::Tensor&)> head,
              const Config& config, KvCache& cache, std::int64_t token);
  ~DecodeGraph();
  DecodeGraph(const DecodeGraph&) = delete;
  DecodeGraph& operator=(const DecodeGraph&) = delete;

  // The most likely token after the one that the last call returned, at first after the
  // constructor's. The step behind it is on its way meanwhile: the GPU waits for no host. Throws
  // lowp::Error if a logit is NaN.
  std::int64_t next();

  // The logits (1, vocab_size) after `token`, to be read before the next call.
  torch::Tensor next_logits(std::int64_t token);

 private:
  void launch();
  void replay();
  void start_step();

  std::function<torch::Tensor(const torch::Tensor&)> head_;
  DecoderImpl& decoder_;
  KvCache& cache_;
  std::int64_t sliding_window_;
  DeviceStep step_;
  torch::Tensor logits_;
  void* graph_ = nullptr;

  // next(): what was chosen, on its way to the host.
  struct Choice {
    torch::Tensor token;  // (1) int64, pinned
    c10::Event arrived{c10::kCUDA};
  };
  std::array<Choice, 2> choices_;
  std::int64_t started_ = 0, taken_ = 0;  // steps
  std::int64_t room_;                     // steps that the cache has room for
};

}  // namespace lowp::models
