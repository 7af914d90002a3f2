#pragma once

#include <CLI/CLI.hpp>

#include "cli/run_options.h"

namespace lowp::cli {

inline void add_run_flags(CLI::App& command, RunOptions& options) {
  command
      .add_option("--ignore", options.ignore,
                  "Layers that --quantize leaves alone: a name or re:REGEX; default: lm_head and "
                  "routers. May be repeated")
      ->expected(1)
      ->take_all();
  command
      .add_option("--dtype", options.dtype, "Of what is not quantized; default: the checkpoint's")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  command.add_option("--threads", options.threads, "Default: one a physical core")
      ->check(CLI::Range(1, 4096));
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace lowp::cli
