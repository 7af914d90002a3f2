// Linear operations on one thread: every implementation of this machine over the shapes of a small
// model (in cache) and one beyond it. Counters: GB/s of the packed weight with its scales, GFLOPS.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "formats/bf16.h"
#include "kernels/linear_bf16/linear_bf16.h"
#include "kernels/linear_fp8/linear_fp8.h"
#include "kernels/linear_fp8_weight_only/linear_fp8_weight_only.h"
#include "kernels/linear_mxfp4/linear_mxfp4.h"
#include "kernels/linear_mxfp8/linear_mxfp8.h"
#include "kernels/linear_nvfp4/linear_nvfp4.h"
#include "kernels/linear_w4a16/linear_w4a16.h"
#include "kernels/linear_w4a8/linear_w4a8.h"
#include "kernels/linear_w8a16/linear_w8a16.h"
#include "kernels/linear_w8a8/linear_w8a8.h"

namespace lowp::kernels {
namespace {

struct Shape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

// bf16 x and out; codes are the bytes of 1 to 100 in turn, so that none is a NaN in any format.
struct Operands {
  Shape shape;
  std::vector<std::uint16_t> x;
  std::vector<std::uint8_t> codes;  // of the weight, two bytes an element at most
  std::vector<std::uint8_t> x_codes;
  std::vector<std::uint8_t> code_scales;
  std::vector<float> scales;
  std::vector<float> x_scales;
  std::vector<std::int8_t> zero_points;
  std::vector<std::int32_t> row_sums;
  std::vector<std::uint16_t> out;

  explicit Operands(Shape s)
      : shape(s),
        x(size(s.m * s.k), Bf16::from_float(0.5F)),
        codes(size(2 * s.n * s.k)),
        x_codes(size(s.m * s.k), 5),
        code_scales(size(s.n * s.k / 16), 56),
        scales(size(s.n * s.k / 32), 0.01F),
        x_scales(size(s.m * (s.k / 32)), 0.01F),
        zero_points(size(s.n * s.k / 32), 1),
        row_sums(size(s.n), 3),
        out(size(s.m * s.n)) {
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(1 + i % 60);
  }

  static std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
  Matrix x_view() const { return {x.data(), DType::kBF16, shape.m, shape.k, shape.k}; }
  MutableMatrix out_view() { return {out.data(), DType::kBF16, shape.m, shape.n, shape.n}; }
};

constexpr Shape kShapes[] = {{1, 576, 576},   {1, 1536, 576},   {1, 576, 1536},
                             {1, 49152, 576}, {1, 8192, 8192},  {4, 8192, 8192},
                             {512, 576, 576}, {512, 1536, 576}, {512, 576, 1536}};

// `weight_bits`: of an element with its share of the scales.
template <class Args, class MakeArgs>
void add(const std::string& operation, std::span<const Implementation<Args>> list,
         double weight_bits, const MakeArgs& make_args) {
  for (const auto& implementation : list) {
    if (!available(implementation.isa) || implementation.isa == Isa::kScalar) continue;
    for (const Shape& shape : kShapes) {
      const std::string name = operation + "/" + implementation.name + "/" +
                               std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" +
                               std::to_string(shape.k);
      const auto run = [=](benchmark::State& state) {
        Operands operands(shape);
        const Args args = make_args(operands);
        if (const char* reason = implementation.refuse(args)) {
          state.SkipWithError(reason);
          return;
        }
        for (auto _ : state) implementation.run(args);
        const double weights = static_cast<double>(shape.n * shape.k * state.iterations());
        state.counters["GB/s"] =
            benchmark::Counter(weights * weight_bits / 8e9, benchmark::Counter::kIsRate);
        state.counters["GFLOPS"] = benchmark::Counter(weights * 2e-9 * static_cast<double>(shape.m),
                                                      benchmark::Counter::kIsRate);
      };
      benchmark::RegisterBenchmark(name.c_str(), run)->Unit(benchmark::kMicrosecond);
    }
  }
}

const bool kRegistered = [] {
  const auto int8 = [](const std::vector<std::uint8_t>& codes) {
    return reinterpret_cast<const std::int8_t*>(codes.data());
  };
  add("linear_bf16", linear_bf16_implementations(), 16, [](Operands& o) {
    return LinearBf16Args{o.x_view(), reinterpret_cast<const std::uint16_t*>(o.codes.data()),
                          nullptr, o.out_view(), nullptr};
  });
  add("linear_w8a16", linear_w8a16_implementations(), 8, [int8](Operands& o) {
    return LinearW8A16Args{o.x_view(), int8(o.codes), o.scales.data(), o.shape.k,
                           nullptr,    o.out_view(),  nullptr};
  });
  add("linear_w4a16_g32", linear_w4a16_implementations(), 5, [](Operands& o) {
    return LinearW4A16Args{
        o.x_view(), o.codes.data(), o.scales.data(), nullptr, nullptr, DType::kF32,
        32,         nullptr,        o.out_view(),    nullptr};
  });
  add("linear_w4a16_asym_g32", linear_w4a16_implementations(), 5.25, [](Operands& o) {
    return LinearW4A16Args{
        o.x_view(), o.codes.data(), o.scales.data(), o.zero_points.data(), nullptr, DType::kF32, 32,
        nullptr,    o.out_view(),   nullptr};
  });
  add("linear_w4a16_g64", linear_w4a16_implementations(), 4.5, [](Operands& o) {
    return LinearW4A16Args{
        o.x_view(), o.codes.data(), o.scales.data(), nullptr, nullptr, DType::kF32,
        64,         nullptr,        o.out_view(),    nullptr};
  });
  for (const int group : {32, 128}) {
    add(group == 32 ? "linear_w4a8_g32" : "linear_w4a8_g128", linear_w4a8_implementations(),
        4 + 32.0 / group, [int8, group](Operands& o) {
          return LinearW4A8Args{.x = int8(o.x_codes),
                                .x_scale = o.x_scales.data(),
                                .x_zero_point = nullptr,
                                .m = o.shape.m,
                                .n = o.shape.n,
                                .k = o.shape.k,
                                .weight = o.codes.data(),
                                .scale = o.scales.data(),
                                .zero_point = nullptr,
                                .zero = nullptr,
                                .scale_dtype = DType::kF32,
                                .group_size = group,
                                .row_sums = nullptr,
                                .bias = nullptr,
                                .out = o.out_view(),
                                .parallel = nullptr};
        });
  }
  add("linear_w8a8", linear_w8a8_implementations(), 8, [int8](Operands& o) {
    return LinearW8A8Args{int8(o.x_codes),   o.x_scales.data(), nullptr,       o.shape.m,
                          o.shape.n,         o.shape.k,         int8(o.codes), o.scales.data(),
                          o.row_sums.data(), nullptr,           o.out_view(),  nullptr};
  });
  add("linear_fp8_weight_only", linear_fp8_weight_only_implementations(), 8, [](Operands& o) {
    return LinearFp8WeightOnlyArgs{o.x_view(), o.codes.data(), o.scales.data(), {1, o.shape.k},
                                   nullptr,    o.out_view(),   nullptr};
  });
  add("linear_fp8", linear_fp8_implementations(), 8, [](Operands& o) {
    return LinearFp8Args{o.x_codes.data(), o.x_scales.data(), {1, o.shape.k}, o.shape.m,
                         o.shape.n,        o.shape.k,         o.codes.data(), o.scales.data(),
                         {1, o.shape.k},   nullptr,           o.out_view(),   nullptr};
  });
  add("linear_fp8_block", linear_fp8_implementations(), 8, [](Operands& o) {
    return LinearFp8Args{o.x_codes.data(), o.x_scales.data(), {1, 128},       o.shape.m,
                         o.shape.n,        o.shape.k,         o.codes.data(), o.scales.data(),
                         {128, 128},       nullptr,           o.out_view(),   nullptr};
  });
  add("linear_mxfp8", linear_mxfp8_implementations(), 8.25, [](Operands& o) {
    return LinearMxfp8Args{
        o.x_codes.data(), o.code_scales.data(), o.shape.m, o.shape.n,    o.shape.k,
        o.codes.data(),   o.code_scales.data(), nullptr,   o.out_view(), nullptr};
  });
  add("linear_mxfp4", linear_mxfp4_implementations(), 4.25, [](Operands& o) {
    return LinearMxfp4Args{o.x_view(), o.codes.data(), o.code_scales.data(),
                           nullptr,    o.out_view(),   nullptr};
  });
  add("linear_nvfp4", linear_nvfp4_implementations(), 4.5, [](Operands& o) {
    return LinearNvfp4Args{o.x_view(),      o.codes.data(), o.code_scales.data(),
                           o.scales.data(), nullptr,        o.out_view(),
                           nullptr};
  });
  return true;
}();

}  // namespace
}  // namespace lowp::kernels
