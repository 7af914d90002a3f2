// The commands: each adds itself, with its options and an example, and does its work in CLI11's
// callback. A command that cannot do everything it was asked for throws lowp::Error, which main
// prints; the program then exits with 1 (2 if the command line itself makes no sense).
#pragma once

namespace CLI {
class App;
}

namespace lowp::cli {

void add_import_command(CLI::App& app);
void add_quantize_command(CLI::App& app);
void add_dequantize_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_env_command(CLI::App& app);
void add_tokenize_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_bench_command(CLI::App& app);

}  // namespace lowp::cli
