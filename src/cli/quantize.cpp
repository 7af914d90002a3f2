// lowp quantize DIR -o OUT --scheme S: a Hugging Face directory as a compressed-tensors checkpoint.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/quantize_output.h"
#include "cli/quantize_plan.h"
#include "cli/quantize_report.h"
#include "cli/quantize_shards.h"
#include "kernels/runtime/thread_pool.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Options {
  fs::path model;
  fs::path output;
  QuantizeRecipe recipe;
  std::vector<std::string> tensor_schemes;  // RE=S
  int threads = 0;
  fs::path report;
  bool dry_run = false;
  bool resume = false;
  bool force = false;
  bool json = false;
  bool quiet = false;
};

ordered_json plan_json(const QuantizePlan& plan, const Options& options) {
  ordered_json layers = ordered_json::array();
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorPlan& tensor : shard.tensors) layers.push_back(layer_row(tensor, nullptr, 0));
  }
  return {{"source", options.model.string()},
          {"recipe", to_json(options.recipe)},
          {"dry_run", true},
          {"bytes_before", plan.source_bytes()},
          {"bytes_after", plan.output_bytes()},
          {"layers", layers}};
}

void print_plan(const QuantizePlan& plan, const Options& options) {
  if (options.json) {
    fmt::print("{}\n", plan_json(plan, options).dump(2));
  } else {
    fmt::print("{}", plan_table(plan));
  }
  check_fits(plan);
}

// Quantizes what is not there yet and returns the rows of all shards.
std::vector<ordered_json> fill(QuantizeOutput& output, const QuantizePlan& plan,
                               const Options& options) {
  const std::set<std::string> done = output.done();
  output.check_room(plan);
  {
    std::uint64_t bytes = 0;
    for (const ShardPlan& shard : plan.shards) {
      if (!done.contains(shard.file)) bytes += shard.source_bytes();
    }
    Progress progress(static_cast<std::int64_t>(bytes),
                      fmt::format("quantize to {}", options.recipe.scheme), Progress::Unit::kBytes);
    quantize_shards(plan, options.output, done,
                    {.threads = options.threads,
                     .on_progress = [&](std::int64_t n) { progress.update(n); },
                     .on_shard =
                         [&](const ShardPlan& shard, const std::vector<ordered_json>& rows) {
                           output.add_shard(shard, rows);
                         }});
  }
  std::vector<ordered_json> rows;
  for (const ShardPlan& shard : plan.shards) {
    for (ordered_json& row : output.rows(shard.file)) rows.push_back(std::move(row));
  }
  return rows;
}

void print_summary(const QuantizeSummary& summary, const Options& options) {
  const ordered_json json = to_json(summary);
  if (!options.report.empty()) {
    fs::create_directories(options.report);
    checkpoint::write_file_atomically(options.report / "report.json", json.dump(2) + "\n");
  }
  if (options.json) {
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}", to_text(summary));
  }
  for (const std::string& line : warnings(summary)) fmt::print(stderr, "warning: {}\n", line);
}

void run_quantize(Options options) {
  // A file limit shows as an error of write(), not as a signal that ends the program.
  std::signal(SIGXFSZ, SIG_IGN);
  const auto start = std::chrono::steady_clock::now();
  options.threads = kernels::ThreadPool(options.threads).threads();
  for (const std::string& text : options.tensor_schemes)
    options.recipe.tensor_schemes.push_back(parse_tensor_scheme(text));
  const checkpoint::ModelFiles files(options.model);
  const nlohmann::json model_config = read_model_config(options.model);
  const QuantizePlan plan = plan_quantization(files, options.recipe);
  for (const std::string& line : plan.notes) fmt::print(stderr, "warning: {}\n", line);
  if (options.dry_run) return print_plan(plan, options);
  check_fits(plan);

  using Existing = QuantizeOutput::Existing;
  const Existing existing = options.resume  ? Existing::kResume
                            : options.force ? Existing::kReplace
                                            : Existing::kRefuse;
  QuantizeOutput output(options.output, files, to_json(options.recipe), existing);
  if (output.is_complete()) {
    note(fmt::format("'{}' is complete already", options.output.string()));
    return;
  }
  QuantizeSummary summary{.source = options.model.string(),
                          .output = options.output.string(),
                          .recipe = to_json(options.recipe),
                          .layers = {},
                          .source_bytes = plan.source_bytes(),
                          .output_bytes = plan.output_bytes(),
                          .threads = options.threads,
                          .reused_shards = output.done().size()};
  summary.layers = fill(output, plan, options);
  output.finish(plan, model_config);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print_summary(summary, options);
}

std::string scheme_help() {
  std::string text = "Schemes:\n";
  for (const Scheme& scheme : schemes()) {
    std::string name(scheme.name);
    // Those that differ in their bits alone are one line, under the name WnA16 and so on.
    if (scheme.weight == WeightFormat::kIntx) {
      if (scheme.bits != 2) continue;
      name[1] = 'n';
    }
    text += fmt::format("  {:<18}{}\n", name, scheme.summary);
  }
  return text;
}

}  // namespace

void add_quantize_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "quantize", "Quantize a Hugging Face directory to a compressed-tensors checkpoint");
  command->add_option("model", options->model, "Directory with config.json and safetensors")
      ->required();
  CLI::Option* output = command->add_option("-o,--output", options->output, "Directory to write");
  command->add_option("--scheme", options->recipe.scheme, "Scheme of the linear layers, see below")
      ->required();
  command
      ->add_option("--group-size", options->recipe.group_size,
                   "Columns that share a scale: weights of 1 to 7 bits (128), W8A16 (the row)")
      ->check(CLI::PositiveNumber);
  command->add_option("--ignore", options->recipe.ignore,
                      "Layers to leave as they are: names, or re: and an expression from the "
                      "name's start; lm_head and routers are left anyway");
  command->add_flag("--quantize-lm-head", options->recipe.quantize_lm_head,
                    "Quantize lm_head as well");
  command->add_option("--tensor-scheme", options->tensor_schemes,
                      "EXPRESSION=SCHEME[:GROUP] for the layers whose name matches; the first "
                      "that matches counts");
  command->add_option("--threads", options->threads, "Threads; 0 for all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--report", options->report,
                      "Directory for report.json: error, size and time of each layer");
  CLI::Option* dry_run =
      command->add_flag("--dry-run", options->dry_run, "Print what would be done to each tensor");
  CLI::Option* resume =
      command->add_flag("--resume", options->resume, "Go on where a killed run stopped");
  command->add_flag("--force", options->force, "Replace the model in a directory that is not empty")
      ->excludes(resume);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->add_flag("-q,--quiet", options->quiet, "No progress");
  command->footer(scheme_help() +
                  "\nExample:\n  lowp quantize SmolLM2-135M -o SmolLM2-W4A16 --scheme W4A16 "
                  "--group-size 64 --report report");
  command->callback([options, output, dry_run] {
    if (output->count() == 0 && dry_run->count() == 0) throw CLI::RequiredError("--output");
    set_quiet(options->quiet);
    run_quantize(*options);
  });
}

}  // namespace lowp::cli
