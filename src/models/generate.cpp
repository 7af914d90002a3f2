#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "lowp/error.h"
#include "lowp/models/causal_lm.h"
#include "models/decode_graph.h"
#include "models/sampler.h"

namespace lowp::models {
namespace {

// Tokens of the prompt a forward: bounds the memory of long prompts.
constexpr std::int64_t kPromptChunk = 512;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const std::vector<std::int64_t>& prompt, const GenerateOptions& options,
           const Config& config) {
  if (prompt.empty()) throw Error("[generate] the prompt is empty, expected at least one token");
  if (options.max_tokens < 1) {
    throw Error(
        fmt::format("[generate] bad max_tokens, got {}, expected at least 1", options.max_tokens));
  }
  const auto total = static_cast<std::int64_t>(prompt.size()) + options.max_tokens;
  if (total > config.max_position_embeddings) {
    throw Error(
        fmt::format("[generate] too long, got {} tokens of prompt and {} to generate, "
                    "expected at most {} in all",
                    prompt.size(), options.max_tokens, config.max_position_embeddings));
  }
}

// Draws from the last row of logits. `row` (vocab_size) fp32 on the CPU is kept from step to step:
// memory of that size would go back to the system each time.
std::int64_t draw(Sampler& sampler, const torch::Tensor& logits, torch::Tensor& row) {
  row.copy_(logits[-1]);
  return sampler({row.const_data_ptr<float>(), static_cast<std::size_t>(row.numel())});
}

}  // namespace

Generation CausalLMImpl::generate(const std::vector<std::int64_t>& prompt,
                                  const GenerateOptions& options) {
  check(prompt, options, config_);
  const at::NoGradGuard no_grad;
  const auto count = static_cast<std::int64_t>(prompt.size());
  KvCache cache = make_cache(count + options.max_tokens);
  Sampler sampler(options.sampling);
  const torch::Tensor ids = torch::tensor(prompt, torch::kInt64);
  torch::Tensor row = torch::empty({config_.vocab_size}, torch::kFloat32);
  Generation result;
  result.prompt_tokens = count;

  const Clock::time_point start = Clock::now();
  torch::Tensor logits;
  for (std::int64_t begin = 0; begin < count; begin += kPromptChunk) {
    logits = forward(ids.slice(0, begin, begin + kPromptChunk), &cache, Logits::kLast);
  }
  std::int64_t token = draw(sampler, logits, row);
  result.prompt_seconds = seconds_since(start);

  std::unique_ptr<DecodeGraph> graph;
  if (options.cuda_graph && DecodeGraph::takes(config_, device())) {
    const Clock::time_point record_start = Clock::now();
    graph = std::make_unique<DecodeGraph>(
        *decoder_, [this](const torch::Tensor& hidden) { return logits_of(hidden); }, config_,
        cache, token);
    result.cuda_graph = true;
    result.record_seconds = seconds_since(record_start);
  }

  const auto is_stop = [&](std::int64_t id) {
    return std::find(options.stop_tokens.begin(), options.stop_tokens.end(), id) !=
           options.stop_tokens.end();
  };
  const Clock::time_point decode_start = Clock::now();
  while (!(result.stopped = is_stop(token))) {
    result.tokens.push_back(token);
    if (options.on_token) options.on_token(token);
    if (static_cast<std::int64_t>(result.tokens.size()) == options.max_tokens) break;
    if (graph == nullptr) {
      logits = forward(torch::full({1}, token, torch::kInt64), &cache, Logits::kLast);
      token = draw(sampler, logits, row);
    } else if (sampler.is_greedy()) {
      token = graph->next();
    } else {
      token = draw(sampler, graph->next_logits(token), row);
    }
    ++result.decode_steps;
  }
  result.decode_seconds = seconds_since(decode_start);
  return result;
}

}  // namespace lowp::models
