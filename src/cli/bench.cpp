#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_limits.h"
#include "cli/bench_linear.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "kernels/runtime/cpu.h"
#include "kernels/runtime/thread_pool.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::vector<std::string> operations{"bf16", "w8a16", "w4a16", "w8a8"};
  std::vector<std::string> shapes{"4096x4096"};
  std::vector<std::int64_t> rows{1, 16, 512};
  std::int64_t group_size = 128;
  int threads = 0;
  double seconds = 0.3;
  bool all = false;
  bool limits = false;
  bool json = false;
};

struct Row {
  std::string operation;
  LinearShape shape;
  LinearTiming timing;
  double speedup;  // over bf16 with the same shape in the same run, 0 if bf16 was not asked for
};

// "4096x14336" is N x K, as the weight is stored.
std::pair<std::int64_t, std::int64_t> parse_shape(const std::string& text) {
  std::int64_t n = 0;
  std::int64_t k = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, n);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == 'x') {
    const auto second = std::from_chars(first.ptr + 1, end, k);
    if (second.ec == std::errc() && second.ptr == end && n > 0 && k > 0 && k % 32 == 0)
      return {n, k};
  }
  throw Error(fmt::format(
      "[bench] bad shape, got '{}', expected NxK such as 4096x14336, K a multiple of 32", text));
}

std::vector<Row> measure(const Options& options, const LinearBenchOptions& bench) {
  std::vector<Row> rows;
  for (const std::string& text : options.shapes) {
    const auto [n, k] = parse_shape(text);
    if (k % options.group_size != 0) {
      throw Error(fmt::format("[bench] the group size must divide K, got {} for K = {}",
                              options.group_size, k));
    }
    for (const std::int64_t m : options.rows) {
      const LinearShape shape{m, n, k};
      double bf16 = 0;
      for (const std::string& operation : options.operations) {
        for (LinearTiming& timing : time_linear(operation, shape, options.group_size, bench)) {
          if (operation == "bf16" && timing.chosen) bf16 = timing.seconds;
          const double speedup = bf16 / timing.seconds;
          rows.push_back({operation, shape, std::move(timing), speedup});
        }
      }
    }
  }
  return rows;
}

double gflops(const Row& row) {
  const LinearShape& s = row.shape;
  return 2e-9 * static_cast<double>(s.m * s.n * s.k) / row.timing.seconds;
}

// What reading the weight and multiplying take at the machine's limits, over the time taken.
double share_of_limit(const Row& row, const MachineLimits& limits) {
  const double read = static_cast<double>(row.timing.weight_bytes) / limits.read_bytes_per_second;
  const double limit = arithmetic_limit(limits, row.operation, row.timing.implementation);
  const LinearShape& s = row.shape;
  const double multiply = limit > 0 ? 2 * static_cast<double>(s.m * s.n * s.k) / limit : 0;
  return std::max(read, multiply) / row.timing.seconds;
}

double gigabytes(const Row& row) {
  return 1e-9 * static_cast<double>(row.timing.weight_bytes) / row.timing.seconds;
}

ordered_json to_json(const MachineLimits& limits) {
  ordered_json json{{"read_gb_per_second", limits.read_bytes_per_second * 1e-9}};
  for (const MeasuredLimit& limit : limits.arithmetic) {
    json[std::string(limit.name) + "_gop_per_second"] = limit.operations_per_second * 1e-9;
  }
  return json;
}

ordered_json to_json(const std::vector<Row>& rows, const MachineLimits& limits, int threads) {
  ordered_json results = ordered_json::array();
  for (const Row& row : rows) {
    results.push_back({{"operation", row.operation},
                       {"implementation", row.timing.implementation},
                       {"chosen", row.timing.chosen},
                       {"m", row.shape.m},
                       {"n", row.shape.n},
                       {"k", row.shape.k},
                       {"seconds", row.timing.seconds},
                       {"weight_gb_per_second", gigabytes(row)},
                       {"gflop_per_second", gflops(row)},
                       {"share_of_limit", share_of_limit(row, limits)},
                       {"speedup_over_bf16", row.speedup}});
  }
  return {{"isa", kernels::name(kernels::machine_isa())},
          {"threads", threads},
          {"limits", to_json(limits)},
          {"results", results}};
}

std::string to_table(const std::vector<Row>& rows, const MachineLimits& limits) {
  Table table({{"linear"},
               {"implementation"},
               {"M", Table::Align::kRight},
               {"N", Table::Align::kRight},
               {"K", Table::Align::kRight},
               {"us", Table::Align::kRight},
               {"GB/s", Table::Align::kRight},
               {"GFLOP/s", Table::Align::kRight},
               {"of limit", Table::Align::kRight},
               {"x bf16", Table::Align::kRight}});
  for (const Row& row : rows) {
    table.add_row({row.operation, row.timing.implementation, fmt::to_string(row.shape.m),
                   fmt::to_string(row.shape.n), fmt::to_string(row.shape.k),
                   fmt::format("{:.1f}", row.timing.seconds * 1e6),
                   fmt::format("{:.1f}", gigabytes(row)), fmt::format("{:.1f}", gflops(row)),
                   fmt::format("{:.2f}", share_of_limit(row, limits)),
                   row.speedup > 0 ? fmt::format("{:.2f}", row.speedup) : "-"});
  }
  return table.to_string();
}

constexpr std::int64_t kColdBytes = std::int64_t{256} << 20;  // more than a last-level cache

// The limits alone, for 1, 2, 4, ... threads.
void run_limits(const Options& options) {
  const int most = kernels::ThreadPool(options.threads).threads();
  ordered_json json = ordered_json::array();
  Table table({{"threads", Table::Align::kRight}, {"limit"}, {"", Table::Align::kRight}});
  for (int threads = 1;; threads = std::min(2 * threads, most)) {
    const kernels::ThreadPool pool(threads);
    const MachineLimits limits = measure_limits(kColdBytes, pool.parallel_for());
    json.push_back({{"threads", threads}, {"limits", to_json(limits)}});
    table.add_row({fmt::to_string(threads), "memory reads",
                   fmt::format("{:.1f} GB/s", limits.read_bytes_per_second * 1e-9)});
    for (const MeasuredLimit& limit : limits.arithmetic) {
      table.add_row({fmt::to_string(threads), std::string(limit.name),
                     fmt::format("{:.0f} GFLOP/s", limit.operations_per_second * 1e-9)});
    }
    if (threads == most) break;
  }
  if (options.json) {
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}", table.to_string());
  }
}

void run(const Options& options) {
  if (options.limits) return run_limits(options);
  const kernels::ThreadPool pool(options.threads);
  const LinearBenchOptions bench{options.seconds, kColdBytes, options.all, pool.parallel_for()};
  const MachineLimits limits = measure_limits(kColdBytes, pool.parallel_for());
  const std::vector<Row> rows = measure(options, bench);
  if (options.json) {
    fmt::print("{}\n", to_json(rows, limits, pool.threads()).dump(2));
    return;
  }
  fmt::print(
      "{}, {} threads, memory reads {:.1f} GB/s; GB/s counts the weight, and the limit is what "
      "reading it or\nproducts from registers take\n\n{}",
      kernels::name(kernels::machine_isa()), pool.threads(), limits.read_bytes_per_second * 1e-9,
      to_table(rows, limits));
}

}  // namespace

void add_bench_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Time the linear operations on this machine");
  command->add_option("--operation", options->operations, "bf16, w8a8, w8a16, w4a16, fp8, ...")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--shape", options->shapes, "NxK of the weight")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--rows", options->rows, "Rows of the activations")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--group-size", options->group_size, "Of w4a16 and w4a8")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--threads", options->threads, "0: all cores")->check(CLI::NonNegativeNumber);
  command->add_option("--seconds", options->seconds, "Time spent on each measurement")
      ->capture_default_str();
  command->add_flag("--all", options->all, "Every implementation, not only the chosen one");
  command->add_flag("--limits", options->limits,
                    "What the machine could do, by threads, instead of linear operations");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: lowp bench --operation bf16,w4a16 --shape 4096x4096 --rows 1,512");
  command->callback([options] { run(*options); });
}

}  // namespace lowp::cli
