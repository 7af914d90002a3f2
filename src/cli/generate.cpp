#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/run_flags.h"
#include "cli/run_options.h"
#include "cli/torch_commands.h"

namespace lowp::cli {
namespace {

void add_sampling_options(CLI::App& command, GenerateCommandOptions& options) {
  command.add_option("--temperature", options.temperature, "0: always the most likely token")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--top-k", options.top_k, "Draw from the K most likely tokens; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--top-p", options.top_p,
                  "Draw from the most likely tokens that hold this share of the probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of the draws")->capture_default_str();
}

}  // namespace

void add_generate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Continue a prompt");
  auto options = std::make_shared<GenerateCommandOptions>();
  command->add_option("directory", options->directory, "A Hugging Face directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  CLI::Option_group* prompt = command->add_option_group("prompt");
  prompt->add_option("--prompt", options->prompt, "Text to continue");
  prompt->add_option("--prompt-file", options->prompt_file, "A file that holds it")
      ->check(CLI::ExistingFile);
  prompt->require_option(1);
  command->add_option("--max-tokens", options->max_tokens, "Tokens to generate at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_sampling_options(*command, *options);
  command->add_flag(
      "--chat", options->chat,
      "The prompt is a message of the user in ChatML: <|im_start|>user ... <|im_end|>");
  command->add_flag("--ignore-eos", options->ignore_eos, "Go on after the end-of-text token");
  command->add_flag("!--no-cuda-graph", options->cuda_graph,
                    "On a GPU: make every launch of a decode step anew instead of replaying them");
  command->add_option("--quantize", options->quantize,
                      "Quantize in memory: SCHEME or SCHEME:GROUP_SIZE");
  add_run_flags(*command, options->run);
  command->footer(
      "The text goes to stdout as it is made, speeds to stderr.\n\n"
      "Example:\n  lowp generate ./W4A16 --prompt 'A hacker is' --max-tokens 64\n"
      "  lowp generate ./bf16 --quantize W8A16 --chat --prompt 'Why is the sky blue?'");
  command->callback([options] {
    using Run = void (*)(const GenerateCommandOptions&);
    reinterpret_cast<Run>(torch_command(kGenerateSymbol))(*options);
  });
}

}  // namespace lowp::cli
