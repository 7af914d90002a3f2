#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/console.h"
#include "cli/torch/model_setup.h"
#include "cli/torch/text_stream.h"
#include "lowp/error.h"
#include "tokenizer/text_file.h"
#include "tokenizer/tokenizer.h"

namespace lowp::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string prompt_text(const GenerateCommandOptions& options,
                        const tokenizer::Tokenizer& tokenizer) {
  const std::string text =
      options.prompt_file.has_value() ? tokenizer::read_file(*options.prompt_file) : options.prompt;
  if (!options.chat) return text;
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    if (!tokenizer.token_to_id(token).has_value()) {
      throw Error(
          fmt::format("[generate] --chat needs a tokenizer with ChatML's tokens, got one "
                      "without {}",
                      token));
    }
  }
  return "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n";
}

std::vector<std::int64_t> stop_tokens(const GenerateCommandOptions& options,
                                      const tokenizer::Tokenizer& tokenizer) {
  if (options.ignore_eos) return {};
  std::vector<std::int64_t> tokens = models::load_stop_tokens(options.directory);
  const auto end_of_turn = tokenizer.token_to_id("<|im_end|>");
  if (options.chat && end_of_turn.has_value()) tokens.push_back(*end_of_turn);
  return tokens;
}

double rate(std::int64_t tokens, double seconds) {
  return seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0;
}

void report(const GenerateCommandOptions& options, const models::Generation& generation,
            const std::string& text, const models::CausalLM& model, int threads) {
  const double prompt_rate = rate(generation.prompt_tokens, generation.prompt_seconds);
  const double decode_rate = rate(generation.decode_steps, generation.decode_seconds);
  if (options.run.json) {
    const auto device_bytes = peak_device_bytes(model);
    const Json result{{"model", options.directory.string()},
                      {"scheme", scheme_of(model)},
                      {"text", text},
                      {"tokens", generation.tokens},
                      {"stopped", generation.stopped},
                      {"prompt_tokens", generation.prompt_tokens},
                      {"prompt_tokens_per_second", prompt_rate},
                      {"decode_tokens_per_second", decode_rate},
                      {"device", device_of(model)},
                      {"cuda_graph", generation.cuda_graph},
                      {"record_seconds", generation.record_seconds},
                      {"peak_device_bytes", device_bytes ? Json(*device_bytes) : Json(nullptr)},
                      {"threads", threads}};
    fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("\n");
  std::fflush(stdout);
  note(fmt::format("prompt {} tokens, {:.1f} tokens/s; decode {} tokens, {:.1f} tokens/s",
                   generation.prompt_tokens, prompt_rate, generation.tokens.size(), decode_rate));
}

void run_generate(const GenerateCommandOptions& options) {
  const int threads = set_up_process(options.run);
  const auto tokenizer = tokenizer::Tokenizer::load(options.directory);
  const std::vector<std::int32_t> ids =
      tokenizer.encode(prompt_text(options, tokenizer), /*add_special_tokens=*/!options.chat);
  models::CausalLM model = load_model(options.directory, options.quantize, options.run);

  TextStream stream(tokenizer, ids);
  std::string text;
  const auto emit = [&](const std::string& part) {
    text += part;
    if (options.run.json) return;
    std::fwrite(part.data(), 1, part.size(), stdout);
    std::fflush(stdout);
  };
  models::GenerateOptions generate;
  generate.max_tokens = options.max_tokens;
  generate.sampling = {options.temperature, options.top_k, options.top_p, options.seed};
  generate.cuda_graph = options.cuda_graph;
  generate.stop_tokens = stop_tokens(options, tokenizer);
  generate.on_token = [&](std::int64_t token) {
    emit(stream.add(static_cast<std::int32_t>(token)));
  };
  const c10::InferenceMode inference;
  const models::Generation generation =
      model->generate(std::vector<std::int64_t>(ids.begin(), ids.end()), generate);
  emit(stream.finish());
  report(options, generation, text, model, threads);
}

}  // namespace
}  // namespace lowp::cli

extern "C" __attribute__((visibility("default"))) void lowp_generate_command(
    const lowp::cli::GenerateCommandOptions& options) {
  lowp::cli::run_generate(options);
}
