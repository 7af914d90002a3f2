// The quantize and dequantize kernels on a bf16 matrix larger than the caches, every implementation
// that the machine has, with 1 and 2 threads. bytes_per_second counts what is read: the matrix, or
// the codes. `read` is the bound: the same matrix summed.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "formats/bf16.h"
#include "kernels/dequantize_fp8/dequantize_fp8.h"
#include "kernels/dequantize_int4/dequantize_int4.h"
#include "kernels/dequantize_int8/dequantize_int8.h"
#include "kernels/dequantize_mx/dequantize_mx.h"
#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"
#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/quantize_int4/quantize_int4.h"
#include "kernels/quantize_int8/quantize_int8.h"
#include "kernels/quantize_mx/quantize_mx.h"
#include "kernels/quantize_nvfp4/quantize_nvfp4.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kRows = 4096;
constexpr std::int64_t kCols = 8192;
constexpr std::int64_t kElements = kRows * kCols;

// One set of buffers for all benchmarks: 64 MB of bf16, up to 32 MB of codes.
struct Buffers {
  std::vector<std::uint16_t> x = std::vector<std::uint16_t>(kElements);
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(kElements, 0x31);
  std::vector<float> scale = std::vector<float>(kElements / 16, 0.01F);
  std::vector<float> zero = std::vector<float>(kElements / 16, 0.02F);
  std::vector<std::uint8_t> byte_scale = std::vector<std::uint8_t>(kElements / 16, 0x38);

  Buffers() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.02F);
    for (auto& value : x) value = Bf16::from_float(normal(random));
  }

  Matrix matrix() const { return {x.data(), DType::kBF16, kRows, kCols, kCols}; }
  MutableMatrix out() { return {x.data(), DType::kBF16, kRows, kCols, kCols}; }
  std::int8_t* int8() { return reinterpret_cast<std::int8_t*>(codes.data()); }
  std::int8_t* zero_point() { return reinterpret_cast<std::int8_t*>(byte_scale.data()); }
};

Buffers& buffers() {
  static Buffers instance;
  return instance;
}

const ParallelFor* threads(int count) {
  static ThreadPool two(2);
  return count == 2 ? two.parallel_for() : nullptr;
}

template <class Args>
void add(const std::string& name, std::span<const Implementation<Args>> implementations,
         std::int64_t bytes, const std::function<Args()>& make) {
  for (const auto& implementation : implementations) {
    if (!available(implementation.isa)) continue;
    for (const int count : {1, 2}) {
      const std::string full =
          name + "/" + implementation.name + "/threads:" + std::to_string(count);
      benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) {
        Args args = make();
        args.parallel = threads(count);
        for ([[maybe_unused]] auto _ : state) implementation.run(args);
        state.SetBytesProcessed(state.iterations() * bytes);
      })->UseRealTime();
    }
  }
}

std::uint64_t sum(const std::uint16_t* x, std::int64_t begin, std::int64_t end) {
  std::uint64_t total = 0;
  const auto* words = reinterpret_cast<const std::uint64_t*>(x);
  for (std::int64_t i = begin / 4; i < end / 4; ++i) total += words[i];
  return total;
}

void add_read() {
  for (const int count : {1, 2}) {
    const std::string name = "read/threads:" + std::to_string(count);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      const std::uint16_t* x = buffers().x.data();
      for ([[maybe_unused]] auto _ : state) {
        parallel_for(threads(count), kElements, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
          benchmark::DoNotOptimize(sum(x, begin, end));
        });
      }
      state.SetBytesProcessed(state.iterations() * kElements * 2);
    })->UseRealTime();
  }
}

void add_quantize() {
  constexpr std::int64_t kBytes = kElements * 2;
  const auto int8 = [](const std::string& what, Block block, Mapping mapping) {
    add<QuantizeInt8Args>("quantize_int8/" + what, quantize_int8_implementations(), kBytes, [=] {
      Buffers& b = buffers();
      return QuantizeInt8Args{b.matrix(), block,          mapping,        DType::kBF16, 0x1p-23F,
                              b.int8(),   b.scale.data(), b.zero_point(), nullptr};
    });
  };
  int8("row", {1, kCols}, Mapping::kSymmetric);
  int8("row_asymmetric", {1, kCols}, Mapping::kAsymmetric);
  int8("tensor", {kRows, kCols}, Mapping::kSymmetric);
  int8("group128", {1, 128}, Mapping::kSymmetric);
  const auto int4 = [](const std::string& what, std::int64_t group, Mapping mapping) {
    add<QuantizeInt4Args>("quantize_int4/" + what, quantize_int4_implementations(), kBytes, [=] {
      Buffers& b = buffers();
      return QuantizeInt4Args{b.matrix(),    group,          mapping,        DType::kBF16,
                              0x1p-23F,      b.codes.data(), b.scale.data(), b.zero_point(),
                              b.zero.data(), nullptr};
    });
  };
  int4("group128", 128, Mapping::kSymmetric);
  int4("group32", 32, Mapping::kSymmetric);
  int4("group128_asymmetric", 128, Mapping::kAsymmetric);
  int4("group32_float_zero", 32, Mapping::kFloatZero);
  const auto fp8 = [](const std::string& what, Block block) {
    add<QuantizeFp8Args>("quantize_fp8/" + what, quantize_fp8_implementations(), kBytes, [=] {
      Buffers& b = buffers();
      return QuantizeFp8Args{b.matrix(), block,          DType::kF8E4M3, DType::kF32, false,
                             nullptr,    b.codes.data(), b.scale.data(), nullptr};
    });
  };
  fp8("row", {1, kCols});
  fp8("tensor", {kRows, kCols});
  fp8("block128", {128, 128});
  for (const auto& [what, element] : {std::pair{"mxfp8", DType::kF8E4M3}, {"mxfp4", DType::kF4}}) {
    add<QuantizeMxArgs>("quantize_mx/" + std::string(what), quantize_mx_implementations(), kBytes,
                        [element = element] {
                          Buffers& b = buffers();
                          return QuantizeMxArgs{b.matrix(),     32,
                                                element,        MxScaleMode::kRceil,
                                                b.codes.data(), b.byte_scale.data(),
                                                nullptr};
                        });
  }
  add<QuantizeNvfp4Args>("quantize_nvfp4", quantize_nvfp4_implementations(), kBytes, [] {
    Buffers& b = buffers();
    return QuantizeNvfp4Args{b.matrix(),     Nvfp4Recipe::kInference, 0x1p-6F,       nullptr,
                             b.codes.data(), b.byte_scale.data(),     b.zero.data(), nullptr};
  });
}

void add_dequantize() {
  add<DequantizeInt8Args>("dequantize_int8/row", dequantize_int8_implementations(), kElements, [] {
    Buffers& b = buffers();
    return DequantizeInt8Args{b.int8(), {1, kCols}, b.scale.data(), nullptr, b.out(), nullptr};
  });
  add<DequantizeInt4Args>(
      "dequantize_int4/group128", dequantize_int4_implementations(), kElements / 2, [] {
        Buffers& b = buffers();
        return DequantizeInt4Args{b.codes.data(), 128,     b.scale.data(), nullptr,
                                  nullptr,        b.out(), nullptr};
      });
  add<DequantizeFp8Args>("dequantize_fp8/row", dequantize_fp8_implementations(), kElements, [] {
    Buffers& b = buffers();
    return DequantizeFp8Args{b.codes.data(), DType::kF8E4M3, {1, kCols},
                             b.scale.data(), b.out(),        nullptr};
  });
  add<DequantizeMxArgs>("dequantize_mx/mxfp4", dequantize_mx_implementations(), kElements / 2, [] {
    Buffers& b = buffers();
    return DequantizeMxArgs{b.codes.data(), DType::kF4, 32, b.byte_scale.data(), b.out(), nullptr};
  });
  add<DequantizeNvfp4Args>("dequantize_nvfp4", dequantize_nvfp4_implementations(), kElements / 2,
                           [] {
                             Buffers& b = buffers();
                             return DequantizeNvfp4Args{b.codes.data(), b.byte_scale.data(),
                                                        b.scale.data(), b.out(), nullptr};
                           });
}

[[maybe_unused]] const bool kRegistered = [] {
  add_read();
  add_quantize();
  add_dequantize();
  return true;
}();

}  // namespace
}  // namespace lowp::kernels
