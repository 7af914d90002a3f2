#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/console.h"
#include "cli/torch/evaluation.h"
#include "cli/torch/model_setup.h"
#include "lowp/error.h"
#include "tokenizer/text_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace lowp::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Candidate {
  std::filesystem::path directory;
  std::string quantize;
  models::CausalLM model{nullptr};
  bool is_reference = false;
  AccuracyMeter meter;
  double seconds = 0.0;
};

std::int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

// The models to evaluate: the directories as they are, then the first one under each scheme; a
// single directory with a single scheme stands for the quantized model alone.
std::vector<Candidate> list_candidates(const EvalOptions& options) {
  std::vector<Candidate> candidates;
  if (options.directories.size() != 1 || options.quantize.size() != 1) {
    for (const auto& directory : options.directories) {
      candidates.emplace_back().directory = directory;
    }
  }
  for (const std::string& scheme : options.quantize) {
    candidates.emplace_back().directory = options.directories.front();
    candidates.back().quantize = scheme;
  }
  return candidates;
}

// The reference is one of the candidates where it can be: its logits are then computed once.
models::CausalLM load_all(std::vector<Candidate>& candidates, const EvalOptions& options) {
  models::CausalLM reference{nullptr};
  for (Candidate& candidate : candidates) {
    candidate.model = load_model(candidate.directory, candidate.quantize, options.run);
    if (reference.is_empty() && options.against.has_value() && candidate.quantize.empty() &&
        std::filesystem::equivalent(candidate.directory, *options.against)) {
      candidate.is_reference = true;
      reference = candidate.model;
    }
  }
  if (options.against.has_value() && reference.is_empty()) {
    reference = load_model(*options.against, "", options.run);
  }
  const models::Config& first = candidates.front().model->config();
  const auto check = [&](const models::CausalLM& model, const std::filesystem::path& directory) {
    const models::Config& config = model->config();
    if (config.vocab_size != first.vocab_size) {
      throw Error(
          fmt::format("[eval] models with different vocabularies, got {} tokens in {}, "
                      "expected {} as in {}",
                      config.vocab_size, directory.string(), first.vocab_size,
                      candidates.front().directory.string()));
    }
    if (options.context > config.max_position_embeddings) {
      throw Error(fmt::format("[eval] --context too long for {}, got {}, expected at most {}",
                              directory.string(), options.context, config.max_position_embeddings));
    }
  };
  for (const Candidate& candidate : candidates) check(candidate.model, candidate.directory);
  if (!reference.is_empty()) check(reference, *options.against);
  return reference;
}

torch::Tensor read_tokens(const EvalOptions& options) {
  const auto tokenizer = tokenizer::Tokenizer::load(options.directories.front());
  const std::string text = tokenizer::replace_invalid_utf8(tokenizer::read_file(options.text));
  std::vector<std::int32_t> ids = tokenizer.encode(text, /*add_special_tokens=*/true);
  const auto count = static_cast<std::int64_t>(ids.size());
  if (options.tokens > count || count < 2) {
    throw Error(fmt::format("[eval] {}: the text is too short, got {} tokens, expected at least {}",
                            options.text.string(), count,
                            std::max<std::int64_t>(options.tokens, 2)));
  }
  if (options.tokens > 0) ids.resize(options.tokens);
  return torch::tensor(ids, torch::kInt32).to(torch::kInt64);
}

// Every model sees a window before the next one is cut: the reference's logits are never stored.
void evaluate(std::vector<Candidate>& candidates, models::CausalLM& reference,
              const torch::Tensor& tokens, std::int64_t context) {
  const c10::InferenceMode inference;
  const auto models = static_cast<std::int64_t>(candidates.size());
  Progress progress(tokens.size(0) * models, "eval (tokens)");
  const bool has_reference = !reference.is_empty();
  for (std::int64_t begin = 0; begin + 1 < tokens.size(0); begin += context) {
    const torch::Tensor ids = tokens.slice(0, begin, begin + context);
    const auto run = [&](models::CausalLM& model, double& seconds) {
      const auto start = std::chrono::steady_clock::now();
      torch::Tensor logits = model->forward(ids);
      wait_for_device(model);
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      return logits;
    };
    torch::Tensor expected;
    double expected_seconds = 0.0;
    if (has_reference) expected = run(reference, expected_seconds);
    for (Candidate& candidate : candidates) {
      if (candidate.is_reference) candidate.seconds += expected_seconds;
      const torch::Tensor logits =
          candidate.is_reference ? expected : run(candidate.model, candidate.seconds);
      candidate.meter.add(logits, expected, ids);
      progress.update(ids.size(0));
    }
  }
}

Json to_json(const Candidate& candidate, const EvalOptions& options, bool has_reference,
             std::int64_t tokens, int threads) {
  const Accuracy accuracy = candidate.meter.result();
  const ModelSize size = size_of(candidate.model);
  const auto device_bytes = peak_device_bytes(candidate.model);
  const auto if_compared = [&](double value) {
    return has_reference ? Json(value) : Json(nullptr);
  };
  return {{"model", candidate.directory.string()},
          {"scheme", scheme_of(candidate.model)},
          {"perplexity", accuracy.perplexity},
          {"perplexity_error", accuracy.error},
          {"kl_mean", if_compared(accuracy.kl_mean)},
          {"kl_p99", if_compared(accuracy.kl_p99)},
          {"top1", if_compared(accuracy.top1)},
          {"tokens_per_second", static_cast<double>(tokens) / candidate.seconds},
          {"peak_rss_bytes", peak_rss_bytes()},
          {"peak_device_bytes", device_bytes ? Json(*device_bytes) : Json(nullptr)},
          {"size_bytes", size.bytes},
          {"bits_per_weight", size.bits_per_weight()},
          {"tokens", tokens},
          {"scored_tokens", accuracy.positions},
          {"context", options.context},
          {"device", device_of(candidate.model)},
          {"threads", threads}};
}

std::string to_table(const std::vector<Json>& rows) {
  using Align = Table::Align;
  Table table({{"model"},
               {"scheme"},
               {"size", Align::kRight},
               {"bits/weight", Align::kRight},
               {"perplexity", Align::kRight},
               {"KL mean", Align::kRight},
               {"KL 99 %", Align::kRight},
               {"top-1", Align::kRight},
               {"tokens/s", Align::kRight}});
  const auto number = [](const Json& value, const char* format) {
    return value.is_null() ? std::string("-")
                           : fmt::format(fmt::runtime(format), value.get<double>());
  };
  for (const Json& row : rows) {
    const auto share = [&](const char* key) {
      return row[key].is_null() ? std::string("-")
                                : fmt::format("{:.1f} %", 100.0 * row[key].get<double>());
    };
    table.add_row(
        {row["model"], row["scheme"], human_bytes(row["size_bytes"]),
         number(row["bits_per_weight"], "{:.2f}"),
         number(row["perplexity"], "{:.2f}") + number(row["perplexity_error"], " ± {:.2f}"),
         number(row["kl_mean"], "{:.4f}"), number(row["kl_p99"], "{:.4f}"), share("top1"),
         number(row["tokens_per_second"], "{:.0f}")});
  }
  return table.to_string();
}

void run_eval(const EvalOptions& options) {
  const int threads = set_up_process(options.run);
  const torch::Tensor tokens = read_tokens(options);
  std::vector<Candidate> candidates = list_candidates(options);
  models::CausalLM reference = load_all(candidates, options);
  evaluate(candidates, reference, tokens, options.context);
  std::vector<Json> rows;
  for (const Candidate& candidate : candidates) {
    rows.push_back(to_json(candidate, options, !reference.is_empty(), tokens.size(0), threads));
    if (!std::isfinite(rows.back()["perplexity"].get<double>())) {
      throw Error(
          fmt::format("[eval] {}: the perplexity is not finite", candidate.directory.string()));
    }
  }
  if (!options.run.json) {
    fmt::print("{}", to_table(rows));
  } else if (rows.size() == 1) {
    fmt::print("{}\n", rows.front().dump(2));
  } else {
    fmt::print("{}\n", Json{{"models", rows}}.dump(2));
  }
}

}  // namespace
}  // namespace lowp::cli

extern "C" __attribute__((visibility("default"))) void lowp_eval_command(
    const lowp::cli::EvalOptions& options) {
  lowp::cli::run_eval(options);
}
