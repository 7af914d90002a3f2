#include "kernels/quantize_fp8/cuda_scheme.h"
#include "kernels/rms_norm_quantize_fp8/cuda.h"

namespace lowp::kernels {
namespace {

constexpr int kGroup = 128;
constexpr int kGroupLanes = kGroup / kEight;
constexpr int kThreads = 512;

// Added in pairs: by the threads of a warp, then by its lanes.
__device__ float sum_of_thread_block(float value, float (&of_warp)[kMaxWarps]) {
  const auto sum_of_warp = [](float part) {
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      part += __shfl_xor_sync(kAllLanes, part, distance);
    }
    return part;
  };
  value = sum_of_warp(value);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  const unsigned lane = threadIdx.x % kWarp;
  return sum_of_warp(lane < blockDim.x / kWarp ? of_warp[lane] : 0.0F);
}

struct Norm {
  std::int64_t cols;
  float epsilon;
  float weight_offset;
  std::uint8_t* codes;
};

template <class T, class Weight>
__device__ Eight<T> normalize(const Eight<T>& x, const Eight<Weight>& weight, float factor,
                              float offset) {
  Eight<T> out;
  const auto value = [&](int i) {
    return __fmul_rn(__fmul_rn(x.at(i), factor), __fadd_rn(weight.at(i), offset));
  };
#pragma unroll
  for (int i = 0; i < kEight; i += 2) out.set_pair(i, value(i), value(i + 1));
  return out;
}

// A row a thread block, in passes of kVectors eights a thread. One pass is all in registers; with
// more of them x is read again, from the L2 cache.
template <class Scheme, class T, class Weight, int kVectors, bool kGroups, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    rms_norm_quantize(Plain<T> source, Plain<Weight> weight, Scheme scheme, Norm norm) {
  __shared__ float sum_of_warp[kMaxWarps];
  __shared__ Amax amax_of_warp[kMaxWarps];
  const std::int64_t row = blockIdx.x;
  const std::int64_t pass = static_cast<std::int64_t>(blockDim.x) * kVectors * kEight;
  const bool one_pass = norm.cols <= pass;
  const auto col_of = [&](std::int64_t start, int i) {
    return start + (i * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kEight;
  };
  const auto count_at = [&](std::int64_t col) {
    const std::int64_t left = norm.cols - col;
    if constexpr (kAligned) return left > 0 ? kEight : 0;
    return left < kEight ? (left < 0 ? 0 : static_cast<int>(left)) : kEight;
  };
  Eight<T> values[kVectors];
  Eight<Weight> gains[kVectors];
  const auto load = [&](std::int64_t start) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const std::int64_t col = col_of(start, i);
      const int count = count_at(col);
      if (count == 0) continue;
      values[i] = source.template load<kAligned, Reuse::kSoon>(row, col, count);
      gains[i] = weight.template load<kAligned, Reuse::kSoon>(0, col, count);
    }
  };

  float squares = 0.0F;
  for (std::int64_t start = 0; start < norm.cols; start += pass) {
    load(start);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int count = count_at(col_of(start, i));
      if (count == 0) continue;
#pragma unroll
      for (int j = 0; j < kEight; ++j) {
        if (kAligned || j < count) squares = __fmaf_rn(values[i].at(j), values[i].at(j), squares);
      }
    }
  }
  const float mean = sum_of_thread_block(squares, sum_of_warp) / static_cast<float>(norm.cols);
  const float factor = __fdiv_rn(1.0F, __fsqrt_rn(__fadd_rn(mean, norm.epsilon)));
  const auto normalize_pass = [&](std::int64_t start) {
    if (!one_pass) load(start);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      if (count_at(col_of(start, i)) == 0) continue;
      values[i] = normalize(values[i], gains[i], factor, norm.weight_offset);
    }
  };

  typename Scheme::Encoding of_row;
  if constexpr (!kGroups) {
    Amax amax;
    for (std::int64_t start = 0; start < norm.cols; start += pass) {
      normalize_pass(start);
#pragma unroll
      for (int i = 0; i < kVectors; ++i) {
        if (count_at(col_of(start, i)) > 0) amax.add(values[i]);
      }
    }
    of_row = scheme.finish(of_thread_block(amax, amax_of_warp), row, threadIdx.x == 0);
  }
  for (std::int64_t start = 0; start < norm.cols; start += pass) {
    if (kGroups || !one_pass) normalize_pass(start);
    typename Scheme::Encoding own_group;
    if constexpr (kGroups) {
      Amax amax[kVectors];
#pragma unroll
      for (int i = 0; i < kVectors; ++i) {
        if (count_at(col_of(start, i)) > 0) amax[i].add(values[i]);
#pragma unroll
        for (int distance = 1; distance < kGroupLanes; distance *= 2) {
          amax[i].merge(amax[i].from_lane(distance));
        }
      }
      // Every lane makes the scale of one of its groups.
      const int lane = static_cast<int>(threadIdx.x) % kGroupLanes;
      const int own = lane % kVectors;
      Amax own_amax = amax[0];
#pragma unroll
      for (int i = 1; i < kVectors; ++i) {
        if (own == i) own_amax = amax[i];
      }
      const std::int64_t groups = (norm.cols + kGroup - 1) / kGroup;
      const std::int64_t group = (col_of(start, own) - lane * kEight) / kGroup;
      own_group = scheme.finish(own_amax, row * groups + group, lane < kVectors && group < groups);
    }
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const std::int64_t col = col_of(start, i);
      const int count = count_at(col);
      const auto encoding = kGroups ? scheme.from_lane(own_group, i, kGroupLanes) : of_row;
      if (count == 0) continue;
      store_codes<8, kAligned>(norm.codes + row * norm.cols + col,
                               encode_eight(scheme, values[i], encoding), count);
    }
  }
}

template <class T, class Weight, class Scheme>
void launch(const RmsNormQuantizeFp8Args& args, const Scheme& scheme) {
  const Matrix& x = args.quantize.x;
  const Norm norm{x.cols, args.epsilon, args.weight_offset, args.quantize.codes};
  const bool aligned =
      has_vectors(x) && is_aligned(args.weight.data, 16) && is_aligned(args.quantize.codes, 8);
  const bool groups = args.quantize.block.cols < x.cols;
  const auto run = [&]<int kVectors, bool kGroups, bool kAligned>(
                       std::integral_constant<int, kVectors>, std::bool_constant<kGroups>,
                       std::bool_constant<kAligned>) {
    const std::int64_t vectors = (x.cols + kEight - 1) / kEight;
    const std::int64_t wanted = (vectors + kVectors * kWarp - 1) / (kVectors * kWarp) * kWarp;
    const auto threads = static_cast<unsigned>(wanted < kThreads ? wanted : kThreads);
    rms_norm_quantize<Scheme, T, Weight, kVectors, kGroups, kAligned>
        <<<static_cast<unsigned>(x.rows), threads, 0, static_cast<cudaStream_t>(args.stream)>>>(
            Plain<T>(x), Plain<Weight>(args.weight), scheme, norm);
  };
  const auto with_groups = [&](auto vectors, auto is_aligned) {
    if (groups) {
      run(vectors, std::true_type{}, is_aligned);
    } else {
      run(vectors, std::false_type{}, is_aligned);
    }
  };
  if (!aligned) {
    with_groups(std::integral_constant<int, 1>{}, std::false_type{});
  } else if (x.cols <= 2048) {
    with_groups(std::integral_constant<int, 1>{}, std::true_type{});
  } else {
    with_groups(std::integral_constant<int, 4>{}, std::true_type{});
  }
}

}  // namespace

const char* rms_norm_quantize_fp8_cuda(const RmsNormQuantizeFp8Args& args) {
  if (args.quantize.x.rows == 0 || args.quantize.x.cols == 0) return nullptr;
  with_fp8_scheme(args.quantize, [&](const auto& scheme) {
    with_element(args.quantize.x.dtype, [&]<class T>(T) {
      if (args.weight.dtype == DType::kF32) {
        launch<T, Fp32>(args, scheme);
      } else {
        launch<T, T>(args, scheme);
      }
    });
  });
  return launch_error();
}

}  // namespace lowp::kernels
