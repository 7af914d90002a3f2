#include "cli/bench_linear.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <random>

#include "kernels/linear_bf16/linear_bf16.h"
#include "kernels/linear_fp8/linear_fp8.h"
#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"
#include "kernels/linear_mxfp6/linear_mxfp6.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"
#include "kernels/linear_mxfp8_weight_only/linear_mxfp8_weight_only.h"
#include "kernels/linear_nvfp4/linear_nvfp4.h"
#include "kernels/linear_w4a16/linear_w4a16.h"
#include "kernels/linear_w4a8/linear_w4a8.h"
#include "kernels/linear_w8a16/linear_w8a16.h"
#include "kernels/linear_w8a8/linear_w8a8.h"
#include "kernels/linear_wna16/linear_wna16.h"
#include "kernels/linear_wna8/linear_wna8.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

using namespace kernels;
using Clock = std::chrono::steady_clock;

// Memory of one set of operands. Blocks never move, so pointers into them stay valid.
class Memory {
 public:
  // `count` bytes, random but with the bits of `clear` off: no NaN code, no huge exponent. They
  // repeat after some 64 KiB.
  std::uint8_t* bytes(std::int64_t count, std::uint8_t clear = 0) {
    constexpr std::size_t kPeriod = 65521;
    std::vector<std::uint8_t>& block = blocks_.emplace_back(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < block.size() && i < kPeriod; ++i) {
      block[i] = static_cast<std::uint8_t>(random_() & ~clear);
    }
    for (std::size_t i = kPeriod; i < block.size(); i += kPeriod) {
      std::memcpy(block.data() + i, block.data(), std::min(kPeriod, block.size() - i));
    }
    return block.data();
  }

  // `count` values, all of them `value`.
  template <class T>
  T* filled(std::int64_t count, T value) {
    std::vector<std::uint8_t>& block =
        blocks_.emplace_back(static_cast<std::size_t>(count) * sizeof(T));
    auto* values = reinterpret_cast<T*>(block.data());
    std::fill_n(values, count, value);
    return values;
  }

 private:
  std::vector<std::vector<std::uint8_t>> blocks_;
  std::minstd_rand random_{1};
};

constexpr std::uint16_t kOneBf16 = 0x3F80;
constexpr std::uint8_t kE4m3Clear = 0x40;  // exponent field below 8: no NaN, values below 2

// One shape: activations and output, which are not rotated, and the memory of all operands.
struct Problem {
  Problem(const LinearShape& shape, std::int64_t group_size, const LinearBenchOptions& options)
      : shape(shape),
        group_size(group_size),
        options(options),
        weights(shape.n * shape.k),
        x{memory.filled<std::uint16_t>(shape.m * shape.k, kOneBf16), DType::kBF16, shape.m, shape.k,
          shape.k},
        out{memory.bytes(shape.m * shape.n * 2), DType::kBF16, shape.m, shape.n, shape.n} {}

  LinearShape shape;
  std::int64_t group_size;
  LinearBenchOptions options;
  std::int64_t weights;  // N * K
  Memory memory;
  Matrix x;           // (M, K) bf16
  MutableMatrix out;  // (M, N) bf16
};

// Bytes of weight and scales of one set, and how many sets make the weights cold.
std::int64_t sets_for(std::int64_t weight_bytes, const LinearBenchOptions& options) {
  return std::clamp<std::int64_t>(options.cold_bytes / std::max<std::int64_t>(weight_bytes, 1), 1,
                                  1024);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

template <class Args>
double time_one(const Implementation<Args>& implementation, const std::vector<Args>& sets,
                double seconds) {
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  for (std::size_t i = 0;
       times.size() < 3 || Clock::now() - start < std::chrono::duration<double>(seconds); ++i) {
    const Clock::time_point before = Clock::now();
    implementation.run(sets[i % sets.size()]);
    times.push_back(std::chrono::duration<double>(Clock::now() - before).count());
  }
  return median(std::move(times));
}

// `make` returns the arguments of one call; it is called once a set of weights.
template <class Args, class Make>
std::vector<LinearTiming> time_all(const char* operation,
                                   std::span<const Implementation<Args>> list,
                                   std::int64_t weight_bytes, const LinearBenchOptions& options,
                                   const Make& make) {
  std::vector<Args> sets;
  for (std::int64_t i = 0; i < sets_for(weight_bytes, options); ++i) sets.push_back(make());
  const Implementation<Args>& chosen = choose(operation, list, sets.front());
  std::vector<LinearTiming> timings;
  for (const Implementation<Args>& implementation : list) {
    const bool is_chosen = &implementation == &chosen;
    const bool runs =
        available(implementation.isa) && implementation.refuse(sets.front()) == nullptr;
    if (!runs || (!options.all_implementations && !is_chosen)) continue;
    timings.push_back({implementation.name, is_chosen,
                       time_one(implementation, sets, options.seconds), weight_bytes});
  }
  return timings;
}

std::vector<LinearTiming> time_bf16(Problem& p) {
  return time_all("linear_bf16", linear_bf16_implementations(), p.weights * 2, p.options, [&] {
    const auto* weight = p.memory.filled<std::uint16_t>(p.weights, kOneBf16);
    return LinearBf16Args{p.x, weight, nullptr, p.out, p.options.parallel};
  });
}

std::vector<LinearTiming> time_w8a8(Problem& p) {
  const auto* x = reinterpret_cast<const std::int8_t*>(p.memory.bytes(p.shape.m * p.shape.k));
  const float* x_scale = p.memory.filled(p.shape.m, 1.0f);
  return time_all(
      "linear_w8a8", linear_w8a8_implementations(), p.weights + p.shape.n * 8, p.options, [&] {
        const auto* weight = reinterpret_cast<const std::int8_t*>(p.memory.bytes(p.weights));
        const float* scale = p.memory.filled(p.shape.n, 1.0f);
        const auto* sums = p.memory.filled<std::int32_t>(p.shape.n, 0);
        return LinearW8A8Args{x,      x_scale, nullptr, p.shape.m, p.shape.n, p.shape.k,
                              weight, scale,   sums,    nullptr,   p.out,     p.options.parallel};
      });
}

std::vector<LinearTiming> time_w8a16(Problem& p) {
  return time_all(
      "linear_w8a16", linear_w8a16_implementations(), p.weights + p.shape.n * 4, p.options, [&] {
        const auto* weight = reinterpret_cast<const std::int8_t*>(p.memory.bytes(p.weights));
        return LinearW8A16Args{p.x,
                               weight,
                               p.memory.filled(p.shape.n, 1.0f),
                               p.shape.k,
                               nullptr,
                               p.out,
                               p.options.parallel};
      });
}

std::vector<LinearTiming> time_w4a16(Problem& p) {
  const std::int64_t groups = p.weights / p.group_size;
  return time_all(
      "linear_w4a16", linear_w4a16_implementations(), p.weights / 2 + groups * 2, p.options, [&] {
        const std::uint8_t* weight = p.memory.bytes(p.weights / 2);
        const auto* scale = p.memory.filled<std::uint16_t>(groups, kOneBf16);
        return LinearW4A16Args{p.x,          weight,       scale,   nullptr, nullptr,
                               DType::kBF16, p.group_size, nullptr, p.out,   p.options.parallel};
      });
}

std::vector<LinearTiming> time_w4a8(Problem& p) {
  const auto* x = reinterpret_cast<const std::int8_t*>(p.memory.bytes(p.shape.m * p.shape.k));
  const float* x_scale = p.memory.filled(p.shape.m, 1.0f);
  const std::int64_t groups = p.weights / p.group_size;
  return time_all("linear_w4a8", linear_w4a8_implementations(), p.weights / 2 + groups * 2,
                  p.options, [&] {
                    return LinearW4A8Args{.x = x,
                                          .x_scale = x_scale,
                                          .x_zero_point = nullptr,
                                          .m = p.shape.m,
                                          .n = p.shape.n,
                                          .k = p.shape.k,
                                          .weight = p.memory.bytes(p.weights / 2),
                                          .scale = p.memory.filled<std::uint16_t>(groups, kOneBf16),
                                          .zero_point = nullptr,
                                          .zero = nullptr,
                                          .scale_dtype = DType::kBF16,
                                          .group_size = p.group_size,
                                          .row_sums = nullptr,
                                          .bias = nullptr,
                                          .out = p.out,
                                          .parallel = p.options.parallel};
                  });
}

template <int kBits>
std::vector<LinearTiming> time_wna16(Problem& p) {
  const std::int64_t groups = p.weights / p.group_size;
  return time_all("linear_wna16", linear_wna16_implementations(),
                  p.weights / 8 * kBits + groups * 2, p.options, [&] {
                    return LinearWnA16Args{
                        .x = p.x,
                        .weight = p.memory.bytes(p.weights / 8 * kBits),
                        .bits = kBits,
                        .scale = p.memory.filled<std::uint16_t>(groups, kOneBf16),
                        .zero_point = nullptr,
                        .zero = nullptr,
                        .scale_dtype = DType::kBF16,
                        .group_size = p.group_size,
                        .bias = nullptr,
                        .out = p.out,
                        .parallel = p.options.parallel};
                  });
}

template <int kBits>
std::vector<LinearTiming> time_wna8(Problem& p) {
  const auto* x = reinterpret_cast<const std::int8_t*>(p.memory.bytes(p.shape.m * p.shape.k));
  const float* x_scale = p.memory.filled(p.shape.m, 1.0f);
  const std::int64_t groups = p.weights / p.group_size;
  return time_all("linear_wna8", linear_wna8_implementations(), p.weights / 8 * kBits + groups * 2,
                  p.options, [&] {
                    return LinearWnA8Args{.x = x,
                                          .x_scale = x_scale,
                                          .x_zero_point = nullptr,
                                          .m = p.shape.m,
                                          .n = p.shape.n,
                                          .k = p.shape.k,
                                          .weight = p.memory.bytes(p.weights / 8 * kBits),
                                          .bits = kBits,
                                          .scale = p.memory.filled<std::uint16_t>(groups, kOneBf16),
                                          .zero_point = nullptr,
                                          .scale_dtype = DType::kBF16,
                                          .group_size = p.group_size,
                                          .row_sums = nullptr,
                                          .bias = nullptr,
                                          .out = p.out,
                                          .parallel = p.options.parallel};
                  });
}

std::vector<LinearTiming> time_fp8(Problem& p) {
  const std::uint8_t* x = p.memory.bytes(p.shape.m * p.shape.k, kE4m3Clear);
  const float* x_scale = p.memory.filled(p.shape.m, 1.0f);
  return time_all("linear_fp8", linear_fp8_implementations(), p.weights + p.shape.n * 4, p.options,
                  [&] {
                    const std::uint8_t* weight = p.memory.bytes(p.weights, kE4m3Clear);
                    const float* scale = p.memory.filled(p.shape.n, 1.0f);
                    return LinearFp8Args{
                        x,      x_scale, {1, p.shape.k}, p.shape.m, p.shape.n, p.shape.k,
                        weight, scale,   {1, p.shape.k}, nullptr,   p.out,     p.options.parallel};
                  });
}

std::vector<LinearTiming> time_fp8_weight_only(Problem& p) {
  return time_all("linear_fp8_weight_only", linear_fp8_weight_only_implementations(),
                  p.weights + p.shape.n * 4, p.options, [&] {
                    const std::uint8_t* weight = p.memory.bytes(p.weights, kE4m3Clear);
                    const float* scale = p.memory.filled(p.shape.n, 1.0f);
                    return LinearFp8WeightOnlyArgs{
                        p.x, weight, scale, {1, p.shape.k}, nullptr, p.out, p.options.parallel};
                  });
}

std::vector<LinearTiming> time_mxfp8(Problem& p) {
  const std::uint8_t* x = p.memory.bytes(p.shape.m * p.shape.k, kE4m3Clear);
  const auto* x_scale = p.memory.filled<std::uint8_t>(p.shape.m * p.shape.k / 32, 127);
  return time_all(
      "linear_mxfp8", linear_mxfp8_implementations(), p.weights + p.weights / 32, p.options, [&] {
        const std::uint8_t* weight = p.memory.bytes(p.weights, kE4m3Clear);
        const auto* scale = p.memory.filled<std::uint8_t>(p.weights / 32, 127);
        return LinearMxfp8Args{x,      x_scale, p.shape.m, p.shape.n, p.shape.k,
                               weight, scale,   nullptr,   p.out,     p.options.parallel};
      });
}

std::vector<LinearTiming> time_mxfp8_weight_only(Problem& p) {
  return time_all("linear_mxfp8_weight_only", linear_mxfp8_weight_only_implementations(),
                  p.weights + p.weights / 32, p.options, [&] {
                    const std::uint8_t* weight = p.memory.bytes(p.weights, kE4m3Clear);
                    const auto* scale = p.memory.filled<std::uint8_t>(p.weights / 32, 127);
                    return LinearMxfp8WeightOnlyArgs{p.x,     weight, scale,
                                                     nullptr, p.out,  p.options.parallel};
                  });
}

std::vector<LinearTiming> time_mxfp6(Problem& p) {
  const std::int64_t bytes = p.weights / 4 * 3;
  return time_all(
      "linear_mxfp6", linear_mxfp6_implementations(), bytes + p.weights / 32, p.options, [&] {
        const auto* scale = p.memory.filled<std::uint8_t>(p.weights / 32, 127);
        return LinearMxfp6Args{p.x,   p.memory.bytes(bytes), DType::kF6E2M3, scale, nullptr,
                               p.out, p.options.parallel};
      });
}

template <bool kPacked>
std::vector<LinearTiming> time_mxfp4(Problem& p) {
  return time_all("linear_mxfp4", linear_mxfp4_implementations(), p.weights / 2 + p.weights / 32,
                  p.options, [&] {
                    const std::uint8_t* weight = p.memory.bytes(p.weights / 2);
                    const auto* scale = p.memory.filled<std::uint8_t>(p.weights / 32, 127);
                    return LinearMxfp4Args{
                        p.x, weight, scale, nullptr, p.out, p.options.parallel, kPacked};
                  });
}

template <bool kPacked>
std::vector<LinearTiming> time_nvfp4(Problem& p) {
  const float* tensor_scale = p.memory.filled(1, 1.0f);
  return time_all("linear_nvfp4", linear_nvfp4_implementations(), p.weights / 2 + p.weights / 16,
                  p.options, [&] {
                    const std::uint8_t* weight = p.memory.bytes(p.weights / 2);
                    const std::uint8_t* scale = p.memory.bytes(p.weights / 16, 0x80 | kE4m3Clear);
                    return LinearNvfp4Args{
                        p.x,    weight, scale, tensor_scale, nullptr, p.out, p.options.parallel,
                        kPacked};
                  });
}

struct Bench {
  std::string_view operation;
  std::vector<LinearTiming> (*run)(Problem&);
};

constexpr std::array kBenches = std::to_array<Bench>({
    {"bf16", time_bf16},
    {"w8a8", time_w8a8},
    {"w8a16", time_w8a16},
    {"w4a16", time_w4a16},
    {"w4a8", time_w4a8},
    {"fp8", time_fp8},
    {"fp8_weight_only", time_fp8_weight_only},
    {"mxfp8", time_mxfp8},
    {"mxfp8_weight_only", time_mxfp8_weight_only},
    {"mxfp6", time_mxfp6},
    {"mxfp4", time_mxfp4<false>},
    {"mxfp4_packed", time_mxfp4<true>},
    {"nvfp4", time_nvfp4<false>},
    {"nvfp4_packed", time_nvfp4<true>},
    {"w1a16", time_wna16<1>},
    {"w2a16", time_wna16<2>},
    {"w3a16", time_wna16<3>},
    {"w5a16", time_wna16<5>},
    {"w6a16", time_wna16<6>},
    {"w7a16", time_wna16<7>},
    {"w1a8", time_wna8<1>},
    {"w2a8", time_wna8<2>},
    {"w3a8", time_wna8<3>},
    {"w5a8", time_wna8<5>},
    {"w6a8", time_wna8<6>},
    {"w7a8", time_wna8<7>},
});

constexpr auto kOperations = [] {
  std::array<std::string_view, kBenches.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kBenches[i].operation;
  return names;
}();

}  // namespace

std::span<const std::string_view> linear_operations() { return kOperations; }

std::vector<LinearTiming> time_linear(std::string_view operation, const LinearShape& shape,
                                      std::int64_t group_size, const LinearBenchOptions& options) {
  const auto* found = std::ranges::find(kBenches, operation, &Bench::operation);
  if (found == kBenches.end()) {
    throw Error(fmt::format("[bench] unknown operation, got '{}', expected one of {}", operation,
                            fmt::join(kOperations, ", ")));
  }
  if (operation.ends_with("_packed") && shape.n % 8 != 0) return {};  // stays plain
  Problem problem(shape, group_size, options);
  return found->run(problem);
}

}  // namespace lowp::cli
