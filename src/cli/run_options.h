// What `lowp eval` and `lowp generate` read from the command line and hand to liblowp_commands.so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lowp::cli {

// Of both commands: how models are loaded and run.
struct RunOptions {
  std::vector<std::string> ignore;          // layers that --quantize leaves alone: names or `re:`
  std::vector<std::string> tensor_schemes;  // "EXPRESSION=SCHEME[:GROUP]", the first match counts
  std::string dtype;                        // "bfloat16", ...; empty: the checkpoint's
  std::string device = "cpu";               // or "cuda", "cuda:1"
  int threads = 0;                          // 0: torch's default
  bool json = false;
};

struct EvalOptions {
  RunOptions run;
  std::vector<std::filesystem::path> directories;
  std::vector<std::string> quantize;  // "SCHEME" or "SCHEME:GROUP_SIZE"
  std::filesystem::path text;
  std::optional<std::filesystem::path> against;
  std::int64_t context = 512;
  std::int64_t tokens = 0;  // 0: the whole text
};

struct GenerateCommandOptions {
  RunOptions run;
  std::filesystem::path directory;
  std::string quantize;  // empty: as it is
  std::string prompt;
  std::optional<std::filesystem::path> prompt_file;
  bool chat = false;
  bool ignore_eos = false;
  bool cuda_graph = true;
  std::int64_t max_tokens = 128;
  double temperature = 0.0;
  std::int64_t top_k = 0;
  double top_p = 1.0;
  std::uint64_t seed = 0;
};

// Symbols of liblowp_commands.so: extern "C" void (const EvalOptions&) and so on.
inline constexpr const char* kEvalSymbol = "lowp_eval_command";
inline constexpr const char* kGenerateSymbol = "lowp_generate_command";

}  // namespace lowp::cli
