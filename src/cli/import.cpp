// lowp import MODEL.gguf -o DIR: a GGUF file as a Hugging Face directory.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/import_model.h"
#include "checkpoint/import_tensors.h"
#include "checkpoint/import_weights.h"
#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_directory.h"
#include "kernels/runtime/thread_pool.h"
#include "lowp/error.h"
#include "tokenizer/gguf_vocabulary.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using checkpoint::Gguf;

struct Options {
  fs::path model;
  fs::path output;
  std::string dtype = "bf16";
  std::uint64_t max_shard_bytes = 5'000'000'000;
  int threads = 0;
  bool no_tokenizer = false;
  bool force = false;
  bool json = false;
  bool quiet = false;
};

// Text files by name; all are made before the output is touched.
struct TextFile {
  std::string name;
  std::string text;
};

tokenizer::TokenizerFiles read_tokenizer(const Gguf& gguf) {
  try {
    return tokenizer::tokenizer_from_gguf(gguf.metadata());
  } catch (const Error& error) {
    throw Error(fmt::format("'{}': {} (--no-tokenizer imports the weights alone)",
                            gguf.path().string(), error.what()));
  }
}

std::vector<TextFile> text_files(const Gguf& gguf, const checkpoint::ImportedModel& model,
                                 const Options& options) {
  const char* dtype = options.dtype == "f32" ? "float32" : "bfloat16";
  std::vector<TextFile> files;
  if (!options.no_tokenizer) {
    tokenizer::TokenizerFiles tokenizer = read_tokenizer(gguf);
    files.push_back({"tokenizer.json", std::move(tokenizer.tokenizer_json)});
    files.push_back({"tokenizer_config.json", std::move(tokenizer.tokenizer_config_json)});
  }
  files.push_back(
      {"generation_config.json", hugging_face_generation_config(gguf, model).dump(2) + "\n"});
  // The last one: a directory without it is not a model.
  files.push_back({"config.json", hugging_face_config(gguf, model, dtype).dump(2) + "\n"});
  return files;
}

std::int64_t total_bytes(const std::vector<checkpoint::Shard>& shards) {
  std::int64_t bytes = 0;
  for (const checkpoint::Shard& shard : shards) bytes += shard.bytes;
  return bytes;
}

void run_import(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const Gguf gguf(options.model);
  const checkpoint::ImportedModel model = checkpoint::read_gguf_model(gguf);
  const std::vector<checkpoint::ImportedTensor> tensors = checkpoint::plan_import(gguf, model);
  std::vector<TextFile> texts = text_files(gguf, model, options);

  const kernels::ThreadPool pool(options.threads);
  checkpoint::ImportOptions weights{
      .dtype = options.dtype == "f32" ? DType::kF32 : DType::kBF16,
      .max_shard_bytes = static_cast<std::int64_t>(options.max_shard_bytes),
      .parallel = pool.parallel_for(),
      .on_progress = {}};
  const std::vector<checkpoint::Shard> shards = checkpoint::plan_shards(tensors, weights);
  if (shards.size() > 1) {
    texts.insert(texts.begin(), {"model.safetensors.index.json", checkpoint::shard_index(shards)});
  }

  OutputDirectory output(options.output, options.force);
  const std::int64_t bytes = total_bytes(shards);
  {
    Progress progress(bytes, fmt::format("import {}", options.model.filename().string()),
                      Progress::Unit::kBytes);
    weights.on_progress = [&](std::int64_t n) { progress.update(n); };
    for (const checkpoint::Shard& shard : shards) {
      output.add(shard.file);
      write_shard(options.output, shard, weights);
    }
  }
  for (const TextFile& file : texts) {
    output.add(file.name);
    checkpoint::write_file_atomically(options.output / file.name, file.text);
  }
  output.keep();

  std::int64_t parameters = 0;
  for (const auto& tensor : tensors) parameters += tensor.source->element_count();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.json) {
    print_json({{"output", options.output.string()},
                {"architecture", gguf.value("general.architecture")},
                {"tensors", tensors.size()},
                {"parameters", parameters},
                {"bytes", bytes},
                {"files", output.files()},
                {"seconds", seconds.count()}});
  } else {
    fmt::print("{}: {} tensors, {} parameters, {} in {} file{}, {}\n", options.output.string(),
               tensors.size(), human_count(parameters), human_bytes(bytes), shards.size(),
               shards.size() == 1 ? "" : "s", human_duration(seconds.count()));
  }
}

}  // namespace

void add_import_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("import", "Turn a GGUF file into a Hugging Face directory");
  command->add_option("model", options->model, "GGUF file")->required();
  command->add_option("-o,--output", options->output, "Directory to write")->required();
  command->add_option("--dtype", options->dtype, "Type of the weights: bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  command
      ->add_option("--max-shard-size", options->max_shard_bytes,
                   "Split the weights into files of at most this size, such as 5GB")
      ->transform(CLI::AsSizeValue(true))
      ->default_str("5GB");
  command->add_option("--threads", options->threads, "Threads; 0 for all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--no-tokenizer", options->no_tokenizer, "Write the weights and configs alone");
  command->add_flag("--force", options->force,
                    "Replace the model in a directory that is not empty");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->add_flag("-q,--quiet", options->quiet, "No progress");
  command->footer("Example:\n  lowp import SmolLM2-135M-Instruct.Q4_1.gguf -o SmolLM2-135M");
  command->callback([options] {
    set_quiet(options->quiet);
    run_import(*options);
  });
}

}  // namespace lowp::cli
