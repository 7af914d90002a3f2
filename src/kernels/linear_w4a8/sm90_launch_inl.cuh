// The launch of sm90_inl.cuh's kernel, what it takes, and a plain kernel for what it does not.
#pragma once

#include "formats/e4m3.h"
#include "kernels/linear_w4a8/sm90_inl.cuh"
#include "kernels/runtime/cuda_shared.h"

namespace lowp::kernels::w4a8 {
namespace {

constexpr unsigned kPlainThreads = 128;

constexpr unsigned ceil_div(std::int64_t a, std::int64_t b) {
  return static_cast<unsigned>((a + b - 1) / b);
}

inline bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

inline const char* last_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

// Columns between two additions to the sums: they lie in one group.
inline unsigned unit_of(const LinearW4A8Sm90Args& args) {
  if (args.group_size == args.k || args.group_size % 128 == 0) return 128;
  return args.group_size % 64 == 0 ? 64 : 32;
}

// Rows of whole 16 bytes, groups of whole products.
inline bool takes_tiles(const LinearW4A8Sm90Args& args) {
  return args.k % 32 == 0 && (args.group_size == args.k || args.group_size % 32 == 0) &&
         is_aligned(args.weight);
}

// The sums of x's codes: (units, M padded); those behind the last column are 0.
inline unsigned x_sums_pitch(const LinearW4A8Sm90Args& args) { return ceil_div(args.m, 128) * 128; }
inline unsigned x_sums_units(const LinearW4A8Sm90Args& args) {
  return ceil_div(args.k, kStep) * (kStep / unit_of(args));
}

__global__ void __launch_bounds__(kPlainThreads)
    sum_x(const std::int8_t* x, unsigned k, unsigned unit, unsigned units, unsigned pitch,
          float* sums) {
  const unsigned token = blockIdx.x;
  const unsigned i = blockIdx.y * kPlainThreads + threadIdx.x;
  if (i >= units) return;
  int sum = 0;
  for (unsigned column = i * unit; column < min((i + 1) * unit, k); column += 16) {
    const auto* from = reinterpret_cast<const int4*>(x + std::int64_t{token} * k + column);
    const int4 codes = *from;
    sum = __dp4a(codes.x, 0x01010101, sum);
    sum = __dp4a(codes.y, 0x01010101, sum);
    sum = __dp4a(codes.z, 0x01010101, sum);
    sum = __dp4a(codes.w, 0x01010101, sum);
  }
  sums[std::int64_t{i} * pitch + token] = static_cast<float>(sum);
}

// Any group and alignment: an element of out a thread.
template <bool kInt8>
__global__ void __launch_bounds__(kPlainThreads) linear_plain(LinearW4A8Sm90Args args) {
  const auto column = static_cast<unsigned>(blockIdx.x * kPlainThreads + threadIdx.x);
  const unsigned token = blockIdx.y;
  if (column >= args.n) return;
  const std::int64_t groups = args.k / args.group_size;
  const auto parameter = [&](const void* data, std::int64_t at) {
    if (args.scale_dtype == DType::kBF16) {
      const unsigned bits = static_cast<const std::uint16_t*>(data)[at];
      return __uint_as_float(bits << 16);
    }
    return static_cast<const float*>(data)[at];
  };
  const auto* x = static_cast<const std::uint8_t*>(args.x) + token * args.k;
  const std::uint8_t* weight = args.weight + column * args.k / 2;
  float total = 0.0F;
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::int64_t at = column * groups + group;
    const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[at];
    float sum = 0.0F;
    float x_sum = 0.0F;
    int exact = 0;
    int exact_x_sum = 0;
    for (std::int64_t k = group * args.group_size; k < (group + 1) * args.group_size; ++k) {
      const int nibble = k % 2 == 0 ? weight[k / 2] & 15 : weight[k / 2] >> 4;
      const int code = (nibble ^ 8) - 8;
      if constexpr (kInt8) {
        exact += static_cast<std::int8_t>(x[k]) * (code - zero_point);
        exact_x_sum += static_cast<std::int8_t>(x[k]);
      } else {
        sum = fmaf(lowp::E4m3::to_float(x[k]), static_cast<float>(code), sum);
      }
    }
    if constexpr (kInt8) {
      sum = static_cast<float>(exact);
      x_sum = static_cast<float>(exact_x_sum);
    }
    total = fmaf(sum, parameter(args.scale, at), total);
    if (args.zero != nullptr) total = fmaf(x_sum, parameter(args.zero, at), total);
  }
  const float value = finish(args, total, token, column);
  const std::int64_t at = token * args.n + column;
  if (args.out_dtype == DType::kBF16) {
    static_cast<__nv_bfloat16*>(args.out)[at] = __float2bfloat16_rn(value);
  } else if (args.out_dtype == DType::kF16) {
    static_cast<__half*>(args.out)[at] = __float2half_rn(value);
  } else {
    static_cast<float*>(args.out)[at] = value;
  }
}

template <bool kInt8>
const char* run_plain(const LinearW4A8Sm90Args& args) {
  constexpr std::int64_t kMostTokens = 65535;
  for (std::int64_t token = 0; token < args.m; token += kMostTokens) {
    LinearW4A8Sm90Args part = args;
    part.m = std::min(kMostTokens, args.m - token);
    part.x = static_cast<const std::uint8_t*>(args.x) + token * args.k;
    part.x_scale = args.x_scale + token;
    if (args.x_zero_point != nullptr) part.x_zero_point = args.x_zero_point + token;
    const std::int64_t out_bytes = token * args.n * bits(args.out_dtype) / 8;
    part.out = static_cast<std::byte*>(args.out) + out_bytes;
    linear_plain<kInt8><<<dim3(ceil_div(args.n, kPlainThreads), static_cast<unsigned>(part.m)),
                          kPlainThreads, 0, static_cast<cudaStream_t>(args.stream)>>>(part);
  }
  return last_error();
}

template <class K>
const char* make_x_map(CUtensorMap& map, const LinearW4A8Sm90Args& args) {
  const auto k = static_cast<std::uint64_t>(args.k);
  return sm90::make_tensor_map<2>(map, {.data = args.x,
                                        .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
                                        .element_bytes = 1,
                                        .size = {k, static_cast<std::uint64_t>(args.m)},
                                        .stride_bytes = {k},
                                        .box = {kStep, K::kTokens}});
}

inline const char* make_code_map(CUtensorMap& map, const LinearW4A8Sm90Args& args) {
  const auto bytes = static_cast<std::uint64_t>(args.k / 2);
  return sm90::make_tensor_map<2>(map, {.data = args.weight,
                                        .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
                                        .element_bytes = 1,
                                        .size = {bytes, static_cast<std::uint64_t>(args.n)},
                                        .stride_bytes = {bytes},
                                        .box = {kStep / 2, kRows},
                                        .swizzle = CU_TENSOR_MAP_SWIZZLE_64B});
}

inline unsigned multiprocessors() {
  int device = 0;
  int count = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return static_cast<unsigned>(std::max(count, 1));
}

// As many blocks as the multiprocessors hold at once, two steps each at least.
inline unsigned split_of(unsigned tiles, unsigned steps, unsigned room) {
  unsigned split = 1;
  while (split < kMaxSplit && tiles * split * 2 <= room && steps >= split * 4) split *= 2;
  return split;
}

template <class K>
const char* launch(const LinearW4A8Sm90Args& args) {
  Problem problem{
      .args = args,
      .m = static_cast<unsigned>(args.m),
      .n = static_cast<unsigned>(args.n),
      .steps = ceil_div(args.k, kStep),
      .groups = static_cast<unsigned>(args.k / args.group_size),
      .group_units = ceil_div(args.group_size, K::kUnit),
      .x_sums_pitch = x_sums_pitch(args),
      .token_tiles = ceil_div(args.m, K::kTokens),
      .row_tiles = ceil_div(args.n, kRows),
      .split = 1,
      .vector_out = args.n % 8 == 0 && is_aligned(args.out),
  };
  CUtensorMap x_map{};
  CUtensorMap code_map{};
  if (const char* error = make_x_map<K>(x_map, args)) return error;
  if (const char* error = make_code_map(code_map, args)) return error;

  cudaError_t error = allow_shared_memory<linear<K>>(K::kSharedBytes);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  const unsigned room = multiprocessors() * K::kBlocksAMultiprocessor;
  const unsigned tiles = problem.token_tiles * problem.row_tiles;
  if (K::kFew) problem.split = split_of(tiles, problem.steps, room);
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim = {problem.split, 1, 1};
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(K::kFew ? tiles * problem.split : std::min(tiles, room));
  config.blockDim = dim3(K::kThreads);
  config.dynamicSmemBytes = K::kSharedBytes;
  config.stream = static_cast<cudaStream_t>(args.stream);
  config.attrs = attributes;
  config.numAttrs = args.after_quantize ? 2 : 1;
  error = cudaLaunchKernelEx(&config, linear<K>, problem, x_map, code_map);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

// Rounds of tiles on the machine times the rows of x of one.
inline unsigned rounds_cost(const LinearW4A8Sm90Args& args, unsigned tokens) {
  const unsigned tiles = ceil_div(args.m, tokens) * ceil_div(args.n, kRows);
  return ceil_div(tiles, multiprocessors()) * tokens;
}

template <class Codes, unsigned kUnit, bool kShifts>
const char* run_unit(const LinearW4A8Sm90Args& args) {
  if (args.m <= 16) return launch<Kind<Codes, 16, kUnit, kShifts, true>>(args);
  if (args.m <= 32) return launch<Kind<Codes, 32, kUnit, kShifts, true>>(args);
  if (args.m <= 64) return launch<Kind<Codes, 64, kUnit, kShifts, true>>(args);
  if (args.m <= 128) return launch<Kind<Codes, 128, kUnit, kShifts, true>>(args);
  if constexpr (kUnit == 128 && !kShifts) {  // the others would spill registers
    if (rounds_cost(args, 192) <= rounds_cost(args, 128)) {
      return launch<Kind<Codes, 192, kUnit, kShifts, false>>(args);
    }
  }
  return launch<Kind<Codes, 128, kUnit, kShifts, false>>(args);
}

template <class Codes, bool kShifts>
const char* run_tiles(const LinearW4A8Sm90Args& args) {
  switch (unit_of(args)) {
    case 128:
      return run_unit<Codes, 128, kShifts>(args);
    case 64:
      return run_unit<Codes, 64, kShifts>(args);
    default:
      return run_unit<Codes, 32, kShifts>(args);
  }
}

}  // namespace
}  // namespace lowp::kernels::w4a8
