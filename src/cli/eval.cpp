#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/run_flags.h"
#include "cli/run_options.h"
#include "cli/torch_commands.h"

namespace lowp::cli {

void add_eval_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Measure the accuracy of models on a text");
  auto options = std::make_shared<EvalOptions>();
  command->add_option("directories", options->directories, "Hugging Face directories")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--text", options->text, "A UTF-8 text file")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--against", options->against,
                   "Reference model: adds KL divergence and top-1 agreement")
      ->check(CLI::ExistingDirectory);
  command->add_option("--context", options->context, "Tokens a window")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "Use the first N tokens; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--quantize", options->quantize,
                   "Quantize in memory: SCHEME or SCHEME:GROUP_SIZE. May be repeated: each is a "
                   "further model, made of the first directory")
      ->expected(1)
      ->take_all();
  add_run_flags(*command, options->run);
  command->footer(
      "The text's first N tokens are cut into windows; every position of a window but the first is "
      "scored.\nOne directory with one --quantize evaluates that alone; with several models, "
      "--json "
      "prints {\"models\": [...]}.\n\n"
      "Example:\n  lowp eval ./W8A8 --text book.txt --against ./bf16 --tokens 20480\n"
      "  lowp eval ./bf16 --text book.txt --against ./bf16 --quantize W4A16:64 --quantize MXFP8");
  command->callback([options] {
    using Run = void (*)(const EvalOptions&);
    reinterpret_cast<Run>(torch_command(kEvalSymbol))(*options);
  });
}

}  // namespace lowp::cli
