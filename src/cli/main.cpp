#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "cli/commands.h"
#include "lowp/error.h"

namespace {

constexpr int kFailed = 1;  // what was asked for was not done
constexpr int kUsage = 2;   // the command line makes no sense

void add_commands(CLI::App& app) {
  // One line a command, in the order of --help.
  lowp::cli::add_import_command(app);
  lowp::cli::add_quantize_command(app);
  lowp::cli::add_dequantize_command(app);
  lowp::cli::add_eval_command(app);
  lowp::cli::add_generate_command(app);
  lowp::cli::add_tokenize_command(app);
  lowp::cli::add_report_command(app);
  lowp::cli::add_bench_command(app);
  lowp::cli::add_inspect_command(app);
  lowp::cli::add_env_command(app);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    CLI::App app{"Low-precision training and inference for PyTorch", "lowp"};
    app.set_version_flag("--version", "lowp " LOWP_VERSION);
    app.require_subcommand(1);
    add_commands(app);
    try {
      app.parse(argc, argv);  // runs the command
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : kUsage;
    }
    return 0;
  } catch (const lowp::Error& error) {
    fmt::print(stderr, "lowp: {}\n", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "lowp: unexpected error: {}\n", error.what());
  }
  return kFailed;
}
