// lowp tokenize DIR: text to token ids and back.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "lowp/error.h"
#include "tokenizer/tokenizer.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using tokenizer::Tokenizer;

struct Options {
  fs::path directory;
  fs::path text;
  bool ids = false;
  bool decode = false;
  bool no_special = false;
};

std::string read_input(const fs::path& path) {
  if (path.empty() || path == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  const checkpoint::MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

bool is_separator(char c) { return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t'; }

// Numbers with spaces, commas or line ends between them.
std::vector<std::int32_t> parse_ids(const std::string& text) {
  std::vector<std::int32_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    while (at < end && is_separator(*at)) ++at;
    if (at == end) return ids;
    std::int32_t id = 0;
    const auto [after, error] = std::from_chars(at, end, id);
    const bool whole = after == end || is_separator(*after);
    if (error != std::errc() || id < 0 || !whole) {
      throw Error(fmt::format("[tokenize] byte {} of the input does not start a token id",
                              at - text.data()));
    }
    ids.push_back(id);
    at = after;
  }
}

void print_ids(const std::vector<std::int32_t>& ids) {
  std::string line;
  for (const std::int32_t id : ids) fmt::format_to(std::back_inserter(line), "{} ", id);
  if (!line.empty()) line.back() = '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
}

// One line a token: its id, and as JSON strings what its file calls it and what it decodes to.
void print_tokens(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const std::int32_t id : ids) {
    fmt::print("{}\t{}\t{}\n", id, nlohmann::json(tokenizer.id_to_token(id)).dump(),
               nlohmann::json(tokenizer.decode({id}, false)).dump());
  }
}

void run_tokenize(const Options& options) {
  const Tokenizer tokenizer = Tokenizer::load(options.directory);
  const std::string input = read_input(options.text);
  if (options.decode) {
    const std::string text = tokenizer.decode(parse_ids(input), options.no_special);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::int32_t> ids = tokenizer.encode(input, !options.no_special);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.ids) {
    print_ids(ids);
  } else {
    print_tokens(tokenizer, ids);
  }
  note(fmt::format("{} tokens from {}, {} ({:.1f} MB/s)", ids.size(),
                   human_bytes(static_cast<std::int64_t>(input.size())),
                   human_duration(seconds.count()),
                   static_cast<double>(input.size()) / 1e6 / seconds.count()));
}

}  // namespace

void add_tokenize_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids and back");
  command->add_option("directory", options->directory, "Holds tokenizer.json or tokenizer.model")
      ->required();
  command->add_option("--text", options->text, "File to read; standard input without it");
  command->add_flag("--ids", options->ids, "Print the ids alone, on one line");
  command->add_flag("--decode", options->decode, "Read ids, print their text");
  command->add_flag("--no-special", options->no_special,
                    "Add no BOS or the like; with --decode, leave special tokens out");
  command->footer("Example:\n  echo 'Hello there' | lowp tokenize SmolLM2-135M");
  command->callback([options] { run_tokenize(*options); });
}

}  // namespace lowp::cli
