#include "models/decode_graph.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "kernels/decode_advance/decode_advance.h"
#include "lowp/cuda.h"
#include "lowp/error.h"
#include "models/functional.h"
#include "nn/cuda_library.h"

namespace lowp::models {
namespace {

namespace places = kernels::decode_state;
using torch::Tensor;

// Of liblowp_cuda.so: models/cuda/graph.cpp.
using Record = void*(void (*launch)(void* context), void* context);
using Replay = void(void* graph);

template <class Function>
Function* graph_function(const char* symbol) {
  return reinterpret_cast<Function*>(cuda_function(symbol));
}

// The state of a step at `position`.
Tensor make_state(std::int64_t token, std::int64_t position, std::int64_t window) {
  const std::int64_t end = position + 1;
  const std::int64_t first = window > 0 ? std::max<std::int64_t>(end - window, 0) : 0;
  return torch::tensor({token, position, std::int64_t{0}, end, first, end, token}, torch::kInt64);
}

void advance(const Tensor& logits, Tensor state, std::int64_t window) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("lowp::decode_advance", "")
                             .typed<void(const Tensor&, Tensor&, std::int64_t)>();
  op.call(logits, state, window);
}

}  // namespace

bool DecodeGraph::takes(const Config& config, torch::Device device) {
  return device.is_cuda() && load_cuda_operators() && takes_attention_kernel(config.head_dim);
}

DecodeGraph::DecodeGraph(DecoderImpl& decoder, std::function<Tensor(const Tensor&)> head,
                         const Config& config, KvCache& cache, std::int64_t token)
    : head_(std::move(head)),
      decoder_(decoder),
      cache_(cache),
      sliding_window_(config.sliding_window),
      room_(cache.capacity() - cache.length()) {
  const torch::Device device = cache.keys(0).device();
  const Tensor state = make_state(token, cache.length(), sliding_window_);
  step_ = decoder.make_step(state.to(device), cache.capacity());
  for (Choice& choice : choices_) {
    choice.token = torch::empty({1}, torch::dtype(torch::kInt64).pinned_memory(true));
  }
  // Once without recording, so that libraries set themselves up; the state is then put back. The
  // recorded step writes the same keys and values again.
  launch();
  step_.state.copy_(state);
  const auto record = graph_function<Record>("lowp_cuda_graph_record");
  graph_ = record([](void* self) { static_cast<DecodeGraph*>(self)->launch(); }, this);
}

DecodeGraph::~DecodeGraph() {
  if (graph_ != nullptr) graph_function<Replay>("lowp_cuda_graph_free")(graph_);
}

void DecodeGraph::launch() {
  logits_ = head_(decoder_.decode(step_, cache_));
  advance(logits_, step_.state, sliding_window_);
}

void DecodeGraph::replay() { graph_function<Replay>("lowp_cuda_graph_replay")(graph_); }

void DecodeGraph::start_step() {
  Choice& choice = choices_[static_cast<std::size_t>(started_ % 2)];
  replay();
  choice.token.copy_(step_.state.narrow(0, places::kChosen, 1), /*non_blocking=*/true);
  const c10::impl::VirtualGuardImpl gpu(c10::kCUDA);
  choice.arrived.record(gpu.getStream(step_.state.device()));
  ++started_;
}

std::int64_t DecodeGraph::next() {
  while (started_ < std::min(taken_ + 2, room_)) start_step();
  Choice& choice = choices_[static_cast<std::size_t>(taken_++ % 2)];
  choice.arrived.synchronize();
  const std::int64_t token = *choice.token.const_data_ptr<std::int64_t>();
  if (token < 0) throw Error("[generate] the model gave NaN logits");
  return token;
}

Tensor DecodeGraph::next_logits(std::int64_t token) {
  step_.state.narrow(0, places::kToken, 1).fill_(token);
  replay();
  return logits_;
}

}  // namespace lowp::models
