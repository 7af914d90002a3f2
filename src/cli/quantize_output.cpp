#include "cli/quantize_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "checkpoint/safetensors_writer.h"
#include "cli/console.h"
#include "cli/model_directory.h"
#include "cli/output_directory.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kProgress = ".lowp-quantize.json";
constexpr const char* kRecipe = "recipe.yaml";
constexpr const char* kConfig = "config.json";

[[noreturn]] void fail(const fs::path& path, std::string_view problem) {
  throw Error(fmt::format("[quantize] '{}': {}", path.string(), problem));
}

// What changes if a source file is replaced.
Json identify(const checkpoint::ModelFiles& source) {
  Json files = Json::object();
  for (const checkpoint::Safetensors& file : source.files()) {
    const auto time = fs::last_write_time(file.path()).time_since_epoch();
    files[file.path().filename().string()] = {
        {"bytes", fs::file_size(file.path())},
        {"modified_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()}};
  }
  return files;
}

// The recipe as YAML: its values are JSON, which YAML includes.
std::string to_yaml(const Json& recipe) {
  std::string text = "# Made by lowp " LOWP_VERSION "\nquantize:\n";
  for (const auto& [key, value] : recipe.items()) {
    text += fmt::format("  {}: {}\n", key, value.dump());
  }
  return text;
}

bool holds_anything(const fs::path& directory) {
  std::error_code error;
  return fs::exists(directory, error) && !fs::is_empty(directory, error);
}

}  // namespace

nlohmann::json read_model_config(const fs::path& directory) {
  const fs::path path = directory / kConfig;
  const nlohmann::json config = nlohmann::json::parse(read_text_file(path), nullptr, false);
  if (!config.is_object()) fail(path, "is not a JSON object");
  const auto found = config.find("quantization_config");
  if (found != config.end() && !found->is_null()) {
    const auto text = [&](const char* key) {
      const auto field = found->is_object() ? found->find(key) : found->end();
      return field != found->end() && field->is_string() ? field->get<std::string>() : "unknown";
    };
    fail(path, fmt::format("the model is quantized already, got quant_method '{}', format '{}'; "
                           "expected the original one: rounding twice would add both errors",
                           text("quant_method"), text("format")));
  }
  return config;
}

QuantizeOutput::QuantizeOutput(fs::path directory, const checkpoint::ModelFiles& source,
                               Json recipe, Existing existing)
    : directory_(std::move(directory)),
      source_(source.directory()),
      identity_{{"recipe", recipe}, {"source", identify(source)}},
      shards_(Json::object()),
      recipe_text_(to_yaml(recipe)) {
  std::error_code error;
  if (fs::equivalent(directory_, source_, error)) {
    fail(directory_, "is the source, expected another directory");
  }
  if (existing == Existing::kResume && holds_anything(directory_)) {
    lock();
    read_progress();
    return;
  }
  OutputDirectory made(directory_, existing == Existing::kReplace);
  made.keep();
  lock();
  fs::remove(directory_ / kRecipe, error);
  write_progress();
}

QuantizeOutput::~QuantizeOutput() {
  if (lock_ >= 0) ::close(lock_);
}

// Two runs that fill one directory would mix their files.
void QuantizeOutput::lock() {
  lock_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) fail(directory_, std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    fail(directory_, "another lowp quantize is writing here");
  }
}

void QuantizeOutput::read_progress() {
  const fs::path path = directory_ / kProgress;
  if (!fs::exists(path)) {
    // Without it the run was either finished or never begun.
    complete_ = fs::exists(directory_ / kConfig) && fs::exists(directory_ / kRecipe) &&
                read_text_file(directory_ / kRecipe) == recipe_text_;
    if (complete_) return;
    fail(directory_, fmt::format("cannot be resumed: it holds other files, or another recipe's, "
                                 "and no {}; choose another directory or --force",
                                 kProgress));
  }
  const Json progress = Json::parse(read_text_file(path), nullptr, false);
  if (!progress.is_object() || !progress.contains("identity") || !progress.contains("shards") ||
      !progress["shards"].is_object()) {
    fail(path, "is damaged: choose another directory or --force");
  }
  if (progress["identity"] != identity_) {
    fail(path, fmt::format("was begun with another recipe or source, got {}, expected {}",
                           progress["identity"].dump(), identity_.dump()));
  }
  for (const auto& [file, shard] : progress["shards"].items()) {
    std::error_code error;
    const auto size = fs::file_size(directory_ / file, error);
    // A shard that is not as it was left is made again.
    if (!error && size == shard.value("bytes", std::uint64_t{0})) shards_[file] = shard;
  }
}

void QuantizeOutput::write_progress() const {
  const Json progress{{"identity", identity_}, {"shards", shards_}};
  checkpoint::write_file_atomically(directory_ / kProgress, progress.dump() + "\n");
}

std::set<std::string> QuantizeOutput::done() const {
  std::set<std::string> names;
  for (const auto& [file, shard] : shards_.items()) names.insert(file);
  return names;
}

std::vector<Json> QuantizeOutput::rows(const std::string& shard) const {
  return shards_.at(shard).at("rows").get<std::vector<Json>>();
}

void QuantizeOutput::check_room(const QuantizePlan& plan) const {
  std::uint64_t needed = 0;
  for (const ShardPlan& shard : plan.shards) {
    if (shards_.contains(shard.file)) continue;
    needed += checkpoint::layout_safetensors(shard.outputs(), {}).file_size;
  }
  std::error_code error;
  const fs::space_info space = fs::space(directory_, error);
  if (!error && space.available < needed) {
    fail(directory_, fmt::format("the disk is too full, {} are free, expected {}",
                                 human_bytes(static_cast<std::int64_t>(space.available)),
                                 human_bytes(static_cast<std::int64_t>(needed))));
  }
}

void QuantizeOutput::add_shard(const ShardPlan& shard, const std::vector<Json>& rows) {
  shards_[shard.file] = {{"bytes", fs::file_size(directory_ / shard.file)}, {"rows", rows}};
  write_progress();
}

void QuantizeOutput::finish(const QuantizePlan& plan, const nlohmann::json& model_config) {
  if (plan.shards.size() > 1) {
    nlohmann::json weight_map = nlohmann::json::object();
    for (const ShardPlan& shard : plan.shards) {
      for (const checkpoint::TensorSpec& spec : shard.outputs()) weight_map[spec.name] = shard.file;
    }
    checkpoint::write_file_atomically(directory_ / kModelIndex,
                                      model_index(weight_map, plan.output_bytes()));
  }
  copy_model_texts(source_, directory_);
  checkpoint::write_file_atomically(directory_ / kRecipe, recipe_text_);
  nlohmann::json config = model_config;
  config["quantization_config"] = checkpoint::to_json(plan.config);
  // Last: without it the directory is no model.
  checkpoint::write_file_atomically(directory_ / kConfig, config.dump(2, ' ', true) + "\n");
  std::error_code error;
  fs::remove(directory_ / kProgress, error);
}

}  // namespace lowp::cli
