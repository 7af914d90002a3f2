#include "cli/bench_limits.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "kernels/limits/limits.h"

namespace lowp::cli {
namespace {

using namespace kernels;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Best of some repetitions.
double read_bandwidth(std::int64_t bytes, const ParallelFor* parallel) {
  const std::vector<std::uint64_t> memory(static_cast<std::size_t>(bytes) / 8, 1);
  double best = 0;
  volatile std::uint64_t sink = 0;
  for (int repetition = 0; repetition < 5; ++repetition) {
    const Clock::time_point start = Clock::now();
    parallel_for(parallel, static_cast<std::int64_t>(memory.size()), 1 << 16,
                 [&](std::int64_t begin, std::int64_t end) {
                   std::array<std::uint64_t, 8> sums{};  // independent chains
                   for (std::int64_t i = begin; i + 8 <= end; i += 8) {
                     for (std::size_t j = 0; j < 8; ++j) sums[j] += memory[i + j];
                   }
                   for (const std::uint64_t sum : sums) sink = sink + sum;
                 });
    best = std::max(best, static_cast<double>(memory.size()) * 8 / seconds_since(start));
  }
  return best;
}

// Best of some repetitions of 4 ms or more.
double operations_per_second(const Limit& limit, const ParallelFor* parallel) {
  const std::int64_t threads = threads_of(parallel);
  std::int64_t iterations = 1000;
  double best = 0;
  for (int repetition = 0; repetition < 8;) {
    const Clock::time_point start = Clock::now();
    parallel_for(parallel, threads, 1, [&](std::int64_t begin, std::int64_t end) {
      limit.run((end - begin) * iterations);
    });
    const double seconds = seconds_since(start);
    if (seconds < 4e-3) {
      iterations *= 4;
      continue;
    }
    const auto operations = static_cast<double>(threads * iterations * limit.operations);
    best = std::max(best, operations / seconds);
    ++repetition;
  }
  return best;
}

}  // namespace

MachineLimits measure_limits(std::int64_t cold_bytes, const ParallelFor* parallel) {
  MachineLimits measured{read_bandwidth(cold_bytes, parallel), {}};
  for (const Limit& limit : limits()) {
    if (!available(limit.isa)) continue;
    measured.arithmetic.push_back({limit.name, operations_per_second(limit, parallel)});
  }
  return measured;
}

double arithmetic_limit(const MachineLimits& limits, std::string_view operation,
                        std::string_view implementation) {
  const bool integers = operation.ends_with("a8");
  const bool bf16 = implementation == "amx" || implementation == "avx512_bf16";
  const bool vnni = implementation.ends_with("_vnni");
  const std::string type = integers || vnni ? "int8_" : (bf16 ? "bf16_" : "fp32_");
  const auto found = std::ranges::find(limits.arithmetic, type + std::string(implementation),
                                       &MeasuredLimit::name);
  return found == limits.arithmetic.end() ? 0 : found->operations_per_second;
}

}  // namespace lowp::cli
