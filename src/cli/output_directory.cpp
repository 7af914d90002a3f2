#include "cli/output_directory.h"

#include <fmt/format.h>

#include <array>
#include <system_error>
#include <utility>

#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw Error(fmt::format("[output] '{}': {}", path.string(), error.message()));
}

bool is_model_file(const fs::path& file) {
  constexpr std::array kNames{
      "config.json",         "generation_config.json",  "model.safetensors.index.json",
      "tokenizer.json",      "tokenizer_config.json",   "tokenizer.model",
      "chat_template.jinja", "special_tokens_map.json", "added_tokens.json",
  };
  const std::string name = file.filename().string();
  for (const char* known : kNames) {
    if (name == known) return true;
  }
  // .model.safetensors.partial: what a killed run left.
  return file.extension() == ".safetensors" ||
         (name.starts_with('.') && name.ends_with(".partial"));
}

void remove_model(const fs::path& path) {
  std::vector<fs::path> files{path / "config.json"};
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file() && is_model_file(entry.path())) files.push_back(entry.path());
  }
  for (const fs::path& file : files) fs::remove(file);
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path path, bool force) : path_(std::move(path)) {
  std::error_code error;
  made_ = fs::create_directories(path_, error);
  if (error) fail(path_, error);
  const bool empty = fs::is_empty(path_, error);
  if (error) fail(path_, error);
  if (empty) return;
  if (!force) {
    throw Error(fmt::format(
        "[output] '{}' is not empty: choose another directory, or --force to replace the model",
        path_.string()));
  }
  try {
    remove_model(path_);
  } catch (const fs::filesystem_error& failure) {
    fail(path_, failure.code());
  }
}

OutputDirectory::~OutputDirectory() {
  if (keep_) return;
  std::error_code ignored;
  for (const std::string& file : files_) fs::remove(path_ / file, ignored);
  if (made_) fs::remove(path_, ignored);
}

}  // namespace lowp::cli
