// lowp env: what lowp was built with and what it finds on this machine. Loads neither torch nor
// CUDA: both are looked for by path.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/console.h"
#include "kernels/runtime/cpu.h"

// Set by the build where it has torch or CUDA.
#ifndef LOWP_TORCH_LIBRARY
#define LOWP_TORCH_LIBRARY ""
#define LOWP_TORCH_VERSION ""
#endif
#ifndef LOWP_CUDA_VERSION
#define LOWP_CUDA_VERSION ""
#endif

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

#ifdef __clang__
constexpr const char* kCompiler = "Clang " __clang_version__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

ordered_json text_or_null(std::string_view text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

// What follows the colon of the first line that begins with `key`; empty if there is none.
std::string field_of(const fs::path& file, std::string_view key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(key)) continue;
    const auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::int64_t memory_bytes(std::string_view key) {
  constexpr std::int64_t kKibi = 1024;
  return std::atoll(field_of("/proc/meminfo", key).c_str()) * kKibi;
}

int usable_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

ordered_json cpu_features() {
  constexpr std::array kFeatures{"avx2",        "fma",         "f16c",        "avx512f",
                                 "avx512bw",    "avx512dq",    "avx512vl",    "avx512vbmi",
                                 "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni",
                                 "amx_tile",    "amx_int8",    "amx_bf16"};
  std::istringstream words(field_of("/proc/cpuinfo", "flags"));
  std::set<std::string> present;
  for (std::string word; words >> word;) present.insert(word);
  ordered_json features;
  for (const char* feature : kFeatures) features[feature] = present.contains(feature);
  return features;
}

ordered_json describe_cpu() {
  const char* cap = std::getenv("LOWP_ISA");
  return {{"model", text_or_null(field_of("/proc/cpuinfo", "model name"))},
          {"isa", kernels::name(kernels::machine_isa())},
          {"isa_cap", text_or_null(cap == nullptr ? "" : cap)},
          {"features", cpu_features()},
          {"cores", sysconf(_SC_NPROCESSORS_ONLN)},
          {"usable_cores", usable_cores()},
          {"memory_bytes", memory_bytes("MemTotal")},
          {"available_memory_bytes", memory_bytes("MemAvailable")}};
}

ordered_json describe_torch() {
  std::error_code ignored;
  const fs::path library = LOWP_TORCH_LIBRARY;
  return {{"built", !library.empty()},
          {"version", text_or_null(LOWP_TORCH_VERSION)},
          {"library", text_or_null(library.string())},
          {"found", !library.empty() && fs::exists(library, ignored)}};
}

std::string find_libcuda() {
  std::vector<std::string> folders;
  if (const char* path = std::getenv("LD_LIBRARY_PATH")) {
    std::istringstream stream(path);
    for (std::string folder; std::getline(stream, folder, ':');) folders.push_back(folder);
  }
  folders.insert(folders.end(), {"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
                                 "/usr/local/nvidia/lib64", "/usr/local/cuda/compat"});
  std::error_code ignored;
  for (const std::string& folder : folders) {
    const fs::path path = fs::path(folder) / "libcuda.so.1";
    if (fs::exists(path, ignored)) return path.string();
  }
  return "";
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  ...": the first word that is a number
// with dots.
std::string driver_version() {
  std::istringstream words(field_of("/proc/driver/nvidia/version", "NVRM version"));
  for (std::string word; words >> word;) {
    if (std::isdigit(static_cast<unsigned char>(word[0])) != 0 &&
        word.find('.') != std::string::npos) {
      return word;
    }
  }
  return "";
}

ordered_json gpu_models() {
  ordered_json models = ordered_json::array();
  std::error_code ignored;
  for (const fs::directory_entry& gpu :
       fs::directory_iterator("/proc/driver/nvidia/gpus", ignored)) {
    models.push_back(field_of(gpu.path() / "information", "Model"));
  }
  return models;
}

// Beside the command in a build, in ../lib of an installed tree; empty if it is not there.
std::string find_cuda_operators() {
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* place : {"src/ops", "../lib"}) {
    const fs::path path = folder / place / "liblowp_ops_cuda.so";
    if (fs::exists(path, ignored)) return path.lexically_normal().string();
  }
  return "";
}

ordered_json describe_cuda() {
  return {{"built", !std::string_view(LOWP_CUDA_VERSION).empty()},
          {"compiler", text_or_null(LOWP_CUDA_VERSION)},
          {"operators", text_or_null(find_cuda_operators())},
          {"driver", text_or_null(driver_version())},
          {"libcuda", text_or_null(find_libcuda())},
          {"gpus", gpu_models()}};
}

std::string shown(const ordered_json& value) {
  if (value.is_null()) return "none";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_text(const ordered_json& env) {
  const auto line = [](std::string_view name, const std::string& value) {
    fmt::print("{:<10} {}\n", name, value);
  };
  line("lowp", shown(env["version"]));
  line("compiler", shown(env["compiler"]));
  const ordered_json& cpu = env["cpu"];
  line("cpu", shown(cpu["model"]));
  line("isa", shown(cpu["isa"]) + (cpu["isa_cap"].is_null() ? "" : " (capped by LOWP_ISA)"));
  std::string present;
  std::string absent;
  for (const auto& [feature, has] : cpu["features"].items()) {
    (has.get<bool>() ? present : absent) += (" " + feature);
  }
  line("features", present.empty() ? "none" : present.substr(1));
  line("  absent", absent.empty() ? "none" : absent.substr(1));
  line("cores", fmt::format("{}, {} usable", shown(cpu["cores"]), shown(cpu["usable_cores"])));
  line("memory", fmt::format("{}, {} available", human_bytes(cpu["memory_bytes"]),
                             human_bytes(cpu["available_memory_bytes"])));
  const ordered_json& torch = env["torch"];
  line("torch", !torch["built"].get<bool>() ? "not built in"
                : !torch["found"].get<bool>()
                    ? shown(torch["library"]) + " is missing"
                    : fmt::format("{}, {}", shown(torch["version"]), shown(torch["library"])));
  const ordered_json& cuda = env["cuda"];
  line("cuda",
       cuda["built"].get<bool>() ? "built with " + shown(cuda["compiler"]) : "not built in");
  line("operators", shown(cuda["operators"]));
  line("driver", fmt::format("{}, libcuda {}", shown(cuda["driver"]), shown(cuda["libcuda"])));
  for (const ordered_json& gpu : cuda["gpus"]) line("gpu", shown(gpu));
}

}  // namespace

void add_env_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("env", "Say what lowp was built with and what this machine has");
  command->add_flag("--json", *json, "Print the result as JSON");
  command->footer("Example:\n  lowp env --json");
  command->callback([json] {
    const ordered_json env{{"version", LOWP_VERSION},
                           {"compiler", kCompiler},
                           {"cpu", describe_cpu()},
                           {"torch", describe_torch()},
                           {"cuda", describe_cuda()}};
    if (*json) {
      print_json(env);
    } else {
      print_text(env);
    }
  });
}

}  // namespace lowp::cli
