// lowp report PATH... -o FILE: results of quantize, eval and generate as one page.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/report_data.h"
#include "cli/report_html.h"

namespace lowp::cli {
namespace {

struct Options {
  std::vector<std::filesystem::path> paths;
  std::filesystem::path output;
};

void run_report(const Options& options) {
  ReportData data;
  for (const auto& path : options.paths) add_results(path, data);
  const std::string page = report_html(data);
  checkpoint::write_file_atomically(options.output, page);
  fmt::print("{}: {} model{}, {} checkpoint{}\n", options.output.string(), data.models.size(),
             data.models.size() == 1 ? "" : "s", data.runs.size(),
             data.runs.size() == 1 ? "" : "s");
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report", "Results as one HTML page, without a network");
  command
      ->add_option("paths", options->paths,
                   "JSON files of quantize --report, eval --json and generate --json, or "
                   "directories that hold them")
      ->required();
  command->add_option("-o,--output", options->output, "HTML file to write")->required();
  command->footer("Example:\n  lowp report reports/W8A8 reports/NVFP4 eval.json -o report.html");
  command->callback([options] { run_report(*options); });
}

}  // namespace lowp::cli
