#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

namespace lowp::models {

// How the next token is drawn. temperature 0 takes the most likely one.
struct Sampling {
  double temperature = 0.0;
  std::int64_t top_k = 0;  // only the k most likely; 0: all
  double top_p = 1.0;      // the fewest of the most likely whose probabilities sum to at least this
  std::uint64_t seed = 0;
};

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  Sampling sampling;
  std::vector<std::int64_t> stop_tokens;  // generation ends before any of these
  std::function<void(std::int64_t token)> on_token;
  // On the GPU: record the launches of a decode step once and replay them, instead of making each
  // of them anew.
  bool cuda_graph = true;
};

struct Generation {
  std::vector<std::int64_t> tokens;  // the new ones; a stop token is not among them
  bool stopped = false;              // at a stop token, not at max_tokens
  std::int64_t prompt_tokens = 0;
  double prompt_seconds = 0.0;  // until the first token
  std::int64_t decode_steps = 0;
  double decode_seconds = 0.0;  // of the decode steps, one token each
  bool cuda_graph = false;      // whether they were replays of a recorded one
  double record_seconds = 0.0;  // what recording it took
};

// eos_token_id of generation_config.json, else of config.json: a number or a list. Throws
// lowp::Error that names the file if it is neither.
std::vector<std::int64_t> load_stop_tokens(const std::filesystem::path& directory);

}  // namespace lowp::models
