// Host and device give the same bits: every operation below maps a 32-bit number to a 32-bit
// result, and both sides run over a stride of them (LOWP_EXHAUSTIVE=1: over all of them). A plain
// program, so that it builds where there is nvcc and nothing else. Exit code 77: there is no GPU.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "formats/affine.h"
#include "formats/fp8_scale.h"
#include "formats/integer_training.h"
#include "formats/mx.h"
#include "formats/nf4.h"
#include "formats/nvfp4.h"
#include "formats/packing.h"
#include "formats/swizzle.h"
#include "formats/uintx.h"

namespace {

using namespace lowp;

// A second number for operations that take two.
LOWP_HD constexpr std::uint32_t scramble(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352DU;
  x ^= x >> 15;
  x *= 0x846CA68BU;
  return x ^ x >> 16;
}

// The sign and payload of a NaN that arithmetic makes are the processor's choice.
LOWP_HD constexpr std::uint32_t result(float x) { return is_nan(x) ? 0x7FC00000U : to_bits(x); }

template <class Format>
struct Encode {
  LOWP_HD static std::uint32_t run(std::uint32_t i) { return Format::from_float(from_bits(i)); }
};

template <class Format>
struct Decode {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    return to_bits(Format::to_float(static_cast<decltype(Format::from_float(0.0F))>(i)));
  }
};

struct Round {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const float x = from_bits(i);
    return result(round_even(x)) * 3 + result(round_down(x)) +
           E2m1::from_float_stochastic(x, 0x1p-32F * static_cast<float>(scramble(i) >> 8)) +
           Bf16::from_float_stochastic(x, static_cast<std::uint16_t>(scramble(i)));
  }
};

// A pair of values within 2^8 of each other, so that codes are not all at the ends.
LOWP_HD constexpr float neighbour(std::uint32_t i) {
  const std::uint32_t exponent = (i >> 23 & 0xFF) + (scramble(i) & 7);
  return from_bits((scramble(i) & 0x807FFFFF) | (exponent > 254 ? 254 : exponent) << 23);
}

template <class Arithmetic, Mapping kMapping>
struct Affine {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const float x = Arithmetic::round(from_bits(i));
    const float y = Arithmetic::round(neighbour(i));
    const AffineParams params = choose_affine_params<Arithmetic>(min_or_nan(x, y), max_or_nan(x, y),
                                                                 kMapping, kInt8, kFp32Epsilon);
    const int code = affine_quantize<Arithmetic>(x, affine_reciprocal<Arithmetic>(params.scale),
                                                 params.zero_point, kInt8);
    return result(params.scale) + static_cast<std::uint32_t>(params.zero_point << 8) * 31 +
           static_cast<std::uint32_t>(code) +
           result(affine_dequantize(code, params.scale, params.zero_point));
  }
};

template <class Arithmetic>
struct FloatZero {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const float x = Arithmetic::round(from_bits(i));
    const float y = Arithmetic::round(neighbour(i));
    const float min = min_or_nan(x, y);
    const IntRange range = unsigned_range(4);
    const FloatZeroParams params =
        choose_float_zero_params<Arithmetic>(min, max_or_nan(x, y), range, 1e-6F);
    const int code = float_zero_quantize<Arithmetic>(x, params, range);
    const FloatZeroParams plain = int4_float_zero_params(min, max_or_nan(x, y));
    const int plain_code = int4_float_zero_quantize(x, min, plain.scale);
    const UintxParams uintx = choose_uintx_params(min, max_or_nan(x, y), 5);
    return result(params.scale) + 3 * result(params.zero) + static_cast<std::uint32_t>(code) +
           5 * result(float_zero_dequantize<Arithmetic>(code, params, range)) +
           7 * result(plain.zero) + static_cast<std::uint32_t>(plain_code << 8) +
           11 * result(int4_float_zero_dequantize(plain_code, plain)) +
           13 * result(uintx_dequantize(uintx_quantize(x, uintx, 5), uintx)) +
           static_cast<std::uint32_t>(Nf4::quantize<Arithmetic>(x, absolute(y)) << 16) +
           static_cast<std::uint32_t>(int8_training_quantize(x, int8_training_reciprocal(y)) << 20);
  }
};

template <class Element>
struct Fp8 {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const float amax = absolute(from_bits(i));
    const float scale = fp8_scale<Element>(amax);
    const float value = neighbour(i);
    return result(scale) + 3 * result(round_to_power_of_two(scale)) +
           5 * result(fp8_training_scale<Element>(amax)) +
           7 * result(fp8_blockwise_training_scale<Element>(amax)) +
           (fp8_quantize<Element>(value, scale) & 0x7FU) +
           (fp8_training_quantize<Element>(value, fp8_training_scale<Element>(amax)) & 0x7FU) * 256;
  }
};

template <class Element>
struct Mx {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    std::uint32_t sum = 0;
    for (const MxScaleMode mode :
         {MxScaleMode::kFloor, MxScaleMode::kCeil, MxScaleMode::kEven, MxScaleMode::kRceil}) {
      const std::uint8_t scale = mx_scale<Element>(i & ~kSignBit, mode);
      const std::uint8_t code = mx_quantize<Element>(neighbour(i), E8m0::reciprocal(scale));
      sum = sum * 31 + scale + (code & 0x7FU) * 256 +
            result(mx_dequantize<Element>(code, E8m0::to_float(scale)));
    }
    return sum;
  }
};

template <Nvfp4Recipe kRecipe>
struct Nvfp4 {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const float x = neighbour(i);
    const float amax = absolute(from_bits(i));
    const Nvfp4TensorScale tensor = nvfp4_tensor_scale(kRecipe, max_or_nan(absolute(x), amax));
    const std::uint8_t block = nvfp4_block_scale(kRecipe, amax, tensor, 0x1p-9F);
    const std::uint8_t code = nvfp4_quantize(x, nvfp4_multiplier(kRecipe, block, tensor));
    return (block & 0x7FU) + code * 256U + result(nvfp4_dequantize(code, block, tensor.decode));
  }
};

struct Layout {
  LOWP_HD static std::uint32_t run(std::uint32_t i) {
    const std::uint8_t bytes[4] = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8),
                                   static_cast<std::uint8_t>(i >> 16),
                                   static_cast<std::uint8_t>(i >> 24)};
    std::uint8_t stream[4] = {};
    pack_bit_stream(bytes, 4, 5, stream);
    const ScalePosition back = unswizzle_offset(swizzle_offset(i & 0xFFF, i >> 20, 4096), 4096);
    return stream[0] + stream[1] * 256U + static_cast<std::uint32_t>(word_code(&i, 3, 3)) * 65536U +
           static_cast<std::uint32_t>(back.row * 4096 + back.col);
  }
};

constexpr std::uint64_t kChunk = 1ULL << 26;

template <class Operation>
__global__ void run_on_device(std::uint64_t start, std::uint64_t stride, std::uint64_t count,
                              std::uint32_t* out) {
  const std::uint64_t i = blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
  if (i < count) out[i] = Operation::run(static_cast<std::uint32_t>(start + i * stride));
}

template <class Operation>
std::uint64_t count_differences(std::uint64_t start, std::uint64_t stride,
                                const std::vector<std::uint32_t>& device) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> differences(threads, 0);
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      std::uint64_t found = 0;
      for (std::size_t i = t * device.size() / threads; i < (t + 1) * device.size() / threads;
           ++i) {
        const auto input = static_cast<std::uint32_t>(start + i * stride);
        if (Operation::run(input) != device[i] && found++ == 0) {
          std::fprintf(stderr, "input %08x: host %08x, device %08x\n", input, Operation::run(input),
                       device[i]);
        }
      }
      differences[t] = found;
    });
  }
  std::uint64_t sum = 0;
  for (unsigned t = 0; t < threads; ++t) {
    pool[t].join();
    sum += differences[t];
  }
  return sum;
}

template <class Operation>
bool agrees(const char* name, std::uint64_t stride) {
  std::uint32_t* out = nullptr;
  if (cudaMalloc(&out, kChunk * sizeof(std::uint32_t)) != cudaSuccess) return false;
  const std::uint64_t total = ((1ULL << 32) + stride - 1) / stride;
  std::uint64_t differences = 0;
  cudaError_t error = cudaSuccess;
  for (std::uint64_t first = 0; first < total && error == cudaSuccess; first += kChunk) {
    const std::uint64_t count = std::min(kChunk, total - first);
    std::vector<std::uint32_t> device(count);
    run_on_device<Operation>
        <<<static_cast<unsigned>((count + 255) / 256), 256>>>(first * stride, stride, count, out);
    error = cudaMemcpy(device.data(), out, count * sizeof(std::uint32_t), cudaMemcpyDeviceToHost);
    if (error == cudaSuccess) {
      differences += count_differences<Operation>(first * stride, stride, device);
    }
  }
  cudaFree(out);
  std::printf("%-28s %llu inputs, %llu differ%s%s\n", name, static_cast<unsigned long long>(total),
              static_cast<unsigned long long>(differences), error == cudaSuccess ? "" : ": ",
              error == cudaSuccess ? "" : cudaGetErrorString(error));
  return differences == 0 && error == cudaSuccess;
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("no CUDA device");
    return 77;
  }
  const char* exhaustive = std::getenv("LOWP_EXHAUSTIVE");
  const std::uint64_t stride = exhaustive != nullptr && *exhaustive == '1' ? 1 : 257;
  bool ok = true;
  ok &= agrees<Encode<E4m3>>("encode e4m3", stride);
  ok &= agrees<Encode<E5m2>>("encode e5m2", stride);
  ok &= agrees<Encode<E2m3>>("encode e2m3", stride);
  ok &= agrees<Encode<E3m2>>("encode e3m2", stride);
  ok &= agrees<Encode<E2m1>>("encode e2m1", stride);
  ok &= agrees<Encode<Bf16>>("encode bf16", stride);
  ok &= agrees<Encode<Fp16>>("encode fp16", stride);
  ok &= agrees<Decode<E4m3>>("decode e4m3", 65521);
  ok &= agrees<Decode<E5m2>>("decode e5m2", 65521);
  ok &= agrees<Decode<E2m1>>("decode e2m1", 65521);
  ok &= agrees<Decode<Fp16>>("decode fp16", 16381);
  ok &= agrees<Round>("round", stride);
  ok &= agrees<Affine<Fp32, Mapping::kSymmetric>>("affine fp32 symmetric", stride);
  ok &= agrees<Affine<Fp32, Mapping::kAsymmetric>>("affine fp32 asymmetric", stride);
  ok &= agrees<Affine<Bf16, Mapping::kAsymmetric>>("affine bf16 asymmetric", stride);
  ok &= agrees<Affine<Bf16, Mapping::kSymmetricNoClippingError>>("affine bf16 no clip", stride);
  ok &= agrees<Affine<Fp16, Mapping::kAsymmetricZeroNotPreserved>>("affine fp16 plain", stride);
  ok &= agrees<FloatZero<Fp32>>("float zero fp32", stride);
  ok &= agrees<FloatZero<Bf16>>("float zero bf16", stride);
  ok &= agrees<Fp8<E4m3>>("fp8 e4m3", stride);
  ok &= agrees<Fp8<E5m2>>("fp8 e5m2", stride);
  ok &= agrees<Mx<E4m3>>("mx e4m3", stride);
  ok &= agrees<Mx<E3m2>>("mx e3m2", stride);
  ok &= agrees<Mx<E2m1>>("mx e2m1", stride);
  ok &= agrees<Nvfp4<Nvfp4Recipe::kInference>>("nvfp4 inference", stride);
  ok &= agrees<Nvfp4<Nvfp4Recipe::kTraining>>("nvfp4 training", stride);
  ok &= agrees<Layout>("layouts", stride);
  return ok ? 0 : 1;
}
