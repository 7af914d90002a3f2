#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "cli/run_options.h"

namespace lowp::cli {

// "cpu", "cuda", "cuda:1"; an empty text or what is wrong.
inline std::string check_device(const std::string& device) {
  constexpr std::string_view kCuda = "cuda:";
  const bool numbered = device.starts_with(kCuda) && device.size() > kCuda.size() &&
                        device.size() < kCuda.size() + 3 &&
                        device.find_first_not_of("0123456789", kCuda.size()) == std::string::npos;
  return device == "cpu" || device == "cuda" || numbered
             ? ""
             : "got '" + device + "', expected cpu, cuda or cuda:N";
}

inline void add_run_flags(CLI::App& command, RunOptions& options) {
  command
      .add_option("--ignore", options.ignore,
                  "Layers that --quantize leaves alone: a name or re:REGEX; default: lm_head and "
                  "routers. May be repeated")
      ->expected(1)
      ->take_all();
  command
      .add_option("--tensor-scheme", options.tensor_schemes,
                  "EXPRESSION=SCHEME[:GROUP]: what --quantize does to the layers whose name "
                  "matches, lm_head too; the first that matches counts. May be repeated")
      ->expected(1)
      ->take_all()
      ->needs(command.get_option("--quantize"));
  command
      .add_option("--dtype", options.dtype, "Of what is not quantized; default: the checkpoint's")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  command.add_option("--device", options.device, "Where models run: cpu, cuda or cuda:N")
      ->check(check_device)
      ->capture_default_str();
  command.add_option("--threads", options.threads, "Default: one a physical core")
      ->check(CLI::Range(1, 4096));
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace lowp::cli
