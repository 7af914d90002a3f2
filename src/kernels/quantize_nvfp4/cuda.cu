#include "formats/nvfp4.h"
#include "formats/swizzle.h"
#include "kernels/quantize_fp8/exact_quotient.h"
#include "kernels/quantize_nvfp4/cuda.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kLanes = 2;        // of a block of 16
constexpr unsigned kSteps = 4;        // octets of a lane
constexpr unsigned kStepBlocks = 16;  // of a warp
constexpr unsigned kWarpBlocks = kSteps * kStepBlocks;
constexpr unsigned kGroupBlocks = kThreads / 32 * kWarpBlocks;

// Blocks are numbered row by row, with those of the swizzled layout's padding.
struct Nvfp4Blocks {
  const std::uint8_t* x;
  std::int64_t row_bytes;  // between rows of x
  bool aligned;            // octets of x to 16 bytes
  unsigned rows;
  unsigned across;         // blocks in a row, ...
  unsigned padded_across;  // ... with padding
  unsigned blocks;         // of all rows, with padding
  Nvfp4Recipe recipe;
  float floor;
  bool swizzled;
  std::uint8_t* codes;
  std::uint8_t* block_scale;
};

// What the second kernel makes of the partial maxima.
struct TensorScale {
  const std::uint32_t* partials;
  unsigned count;
  const float* given;  // or nullptr
  Nvfp4Recipe recipe;
  float* decode;
  float* encode;
  float* factors;  // (256), by block scale
};

// Where exact_quotient holds for both divisions of amax / 6 / decode. A quotient that underflows is
// a block scale of 0 however it is rounded.
constexpr float kMinExactAmax = 0x1p-80F;
constexpr float kMaxExactAmax = 0x1p60F;
constexpr float kMinExactDecode = 0x1p-60F;
constexpr float kMaxExactDecode = 0x1p80F;

// nvfp4_block_scale, with the divisions replaced where the quotient is known to be the same.
struct BlockScaler {
  Nvfp4Recipe recipe;
  float floor;
  Nvfp4TensorScale tensor;
  Divisor decode;
  bool exact;

  __device__ BlockScaler(Nvfp4Recipe recipe, float floor, Nvfp4TensorScale tensor)
      : recipe(recipe),
        floor(floor),
        tensor(tensor),
        decode{tensor.decode, 1.0F / tensor.decode},
        exact(recipe == Nvfp4Recipe::kInference && tensor.decode >= kMinExactDecode &&
              tensor.decode <= kMaxExactDecode) {}

  __device__ std::uint8_t operator()(float amax) const {
    const bool in_range = amax == 0.0F || (amax >= kMinExactAmax && amax <= kMaxExactAmax);
    if (!exact || !in_range) return nvfp4_block_scale(recipe, amax, tensor, floor);
    constexpr Divisor kSix{E2m1::kMax, 1.0F / E2m1::kMax};
    const float scale = exact_quotient(exact_quotient(amax, kSix), decode);
    return __nv_cvt_float_to_fp8(fmaxf(scale, floor), __NV_SATFINITE, __NV_E4M3);
  }
};

template <class Words>
__device__ Octet<Words> load_octet(const std::uint8_t* from, bool aligned) {
  if (aligned) return Octet<Words>::load(from);
  Octet<Words> octet;
#pragma unroll
  for (int w = 0; w < Octet<Words>::kWords; ++w) {
    if constexpr (Words::kPerWord == 1) {
      octet.words[w] = reinterpret_cast<const unsigned*>(from)[w];
    } else {
      const auto* halves = reinterpret_cast<const std::uint16_t*>(from);
      octet.words[w] = halves[2 * w] | static_cast<unsigned>(halves[2 * w + 1]) << 16;
    }
  }
  return octet;
}

// The largest magnitude of a stretch of the tensor, as fp32 bits. kFlat: rows without gaps.
template <class Words, bool kFlat>
__global__ void __launch_bounds__(kThreads)
    tensor_amax(Nvfp4Blocks tensor, std::uint32_t* partials) {
  constexpr unsigned kOctetBytes = kOctet * 4 / Words::kPerWord;
  const unsigned octets_across = tensor.across * kLanes;
  const std::int64_t octets = static_cast<std::int64_t>(tensor.rows) * octets_across;
  const std::int64_t stride = std::int64_t{gridDim.x} * kThreads;
  unsigned amax = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; first < octets;
       first += kSteps * stride) {
    Octet<Words> loaded[kSteps];
#pragma unroll
    for (unsigned i = 0; i < kSteps; ++i) {
      const std::int64_t octet = first + i * stride;
      const std::int64_t row = kFlat ? 0 : octet / octets_across;
      const std::uint8_t* from =
          tensor.x + row * tensor.row_bytes + (octet - row * octets_across) * kOctetBytes;
      loaded[i] = octet < octets ? load_octet<Words>(from, tensor.aligned) : Octet<Words>::zero();
    }
#pragma unroll
    for (unsigned i = 0; i < kSteps; ++i) amax = max_words<Words>(amax, loaded[i].amax());
  }
  __shared__ unsigned of_warp[kThreads / 32];
  amax = __reduce_max_sync(kAllLanes, max_in_word<Words>(amax));
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = amax;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (const unsigned other : of_warp) amax = max(amax, other);
  partials[blockIdx.x] = amax;
}

__global__ void __launch_bounds__(kNvfp4Partials) tensor_scale(TensorScale tensor) {
  __shared__ unsigned of_warp[kNvfp4Partials / 32];
  unsigned amax = threadIdx.x < tensor.count ? tensor.partials[threadIdx.x] : 0;
  amax = __reduce_max_sync(kAllLanes, amax);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = amax;
  __syncthreads();
  for (const unsigned other : of_warp) amax = max(amax, other);
  const Nvfp4TensorScale scale = tensor.given != nullptr
                                     ? nvfp4_inference_scale_from(*tensor.given)
                                     : nvfp4_tensor_scale(tensor.recipe, from_bits(amax));
  if (threadIdx.x < 256) {
    tensor.factors[threadIdx.x] =
        nvfp4_multiplier(tensor.recipe, static_cast<std::uint8_t>(threadIdx.x), scale);
  }
  if (threadIdx.x != 0) return;
  *tensor.decode = scale.decode;
  *tensor.encode = scale.encode;
}

// A lane has four loads in flight and makes the scales of two of the four blocks that it has a half
// of. kFlat: rows without gaps and scales without padding. Blocks are taken from the last one on:
// the pass before left the end of x in the cache.
template <class Words, bool kFlat>
__global__ void __launch_bounds__(kThreads)
    quantize_nvfp4_blocks(Nvfp4Blocks tensor, const float* decode, const float* encode,
                          const float* factors) {
  constexpr unsigned kOctetBytes = kOctet * 4 / Words::kPerWord;
  const unsigned lane = threadIdx.x % 32;
  const unsigned half = lane % kLanes;
  const unsigned group = gridDim.x - 1 - blockIdx.x;
  const unsigned first = (group * (kThreads / 32) + threadIdx.x / 32) * kWarpBlocks;
  const auto block_of = [&](unsigned step) { return first + step * kStepBlocks + lane / kLanes; };
  const auto row_of = [&](unsigned block) { return kFlat ? 0 : block / tensor.padded_across; };

  // This lane makes the scales of its steps 2 * half and 2 * half + 1.
  const unsigned own_row[2] = {row_of(block_of(2 * half)), row_of(block_of(2 * half + 1))};

  Octet<Words> octets[kSteps];
  unsigned number[kSteps];  // among the blocks of x; ~0 for padding
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned block = block_of(i);
    const unsigned row =
        kFlat ? 0 : __shfl_sync(kAllLanes, own_row[i % 2], static_cast<int>(i / 2), kLanes);
    const unsigned col = block - row * tensor.padded_across;
    const bool inside = kFlat ? block < tensor.blocks : row < tensor.rows && col < tensor.across;
    number[i] = inside ? row * tensor.across + col : ~0U;
    const std::uint8_t* from = tensor.x + row * tensor.row_bytes +
                               (static_cast<std::int64_t>(col) * kLanes + half) * kOctetBytes;
    octets[i] = inside ? load_octet<Words>(from, tensor.aligned) : Octet<Words>::zero();
  }

  const BlockScaler scaler(tensor.recipe, tensor.floor, {*decode, *encode});
  float factor[2];
#pragma unroll
  for (unsigned k = 0; k < 2; ++k) {
    // Of this lane's own two steps; each lane sends the other what belongs to it.
    const unsigned mine = octets[k].amax();
    const unsigned other = octets[k + 2].amax();
    const unsigned received = __shfl_xor_sync(kAllLanes, half == 0 ? other : mine, 1);
    const unsigned amax = max_words<Words>(half == 0 ? mine : other, received);
    const unsigned block = block_of(2 * half + k);
    const unsigned col = block - own_row[k] * tensor.padded_across;
    const bool inside = kFlat || (own_row[k] < tensor.rows && col < tensor.across);
    const std::uint8_t code = scaler(from_bits(max_in_word<Words>(amax)));
    factor[k] = factors[code];
    if (block < tensor.blocks) {
      tensor.block_scale[tensor.swizzled ? swizzle_offset(own_row[k], col, tensor.across) : block] =
          inside ? code : 0;
    }
  }

#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const float of_step = __shfl_sync(kAllLanes, factor[i % 2], static_cast<int>(i / 2), kLanes);
    const unsigned codes = encode_e2m1_octet(octets[i], of_step);
    if (number[i] != ~0U) {
      reinterpret_cast<unsigned*>(
          tensor.codes)[static_cast<std::int64_t>(number[i]) * kLanes + half] = codes;
    }
  }
}

Nvfp4Blocks blocks_of(const QuantizeNvfp4CudaArgs& args) {
  const Matrix& x = args.x;
  const std::int64_t size = bits(x.dtype) / 8;
  const std::int64_t across = x.cols / kNvfp4Block;
  const std::int64_t padded_across = args.swizzled ? round_up(across, kSwizzleTileCols) : across;
  const std::int64_t padded_rows = args.swizzled ? round_up(x.rows, kSwizzleTileRows) : x.rows;
  return {
      .x = static_cast<const std::uint8_t*>(x.data),
      .row_bytes = x.stride * size,
      .aligned = x.stride * size % 16 == 0 && is_aligned(x.data, 16),
      .rows = static_cast<unsigned>(x.rows),
      .across = static_cast<unsigned>(across),
      .padded_across = static_cast<unsigned>(padded_across),
      .blocks = static_cast<unsigned>(padded_rows * padded_across),
      .recipe = args.recipe,
      .floor = args.block_scale_floor,
      .swizzled = args.swizzled,
      .codes = args.codes,
      .block_scale = args.block_scale,
  };
}

template <class Words>
void launch(const QuantizeNvfp4CudaArgs& args, const Nvfp4Blocks& tensor) {
  auto* stream = static_cast<cudaStream_t>(args.stream);
  const bool contiguous = args.x.stride == args.x.cols;
  auto* encode = reinterpret_cast<float*>(args.workspace + kNvfp4Partials);
  float* factors = encode + 1;
  const auto groups = static_cast<unsigned>(ceil_div(tensor.blocks, kGroupBlocks));
  unsigned partials = 0;
  if (args.static_tensor_scale == nullptr && groups > 0) {
    partials = groups < kNvfp4Partials ? groups : kNvfp4Partials;
    if (contiguous) {
      tensor_amax<Words, true><<<partials, kThreads, 0, stream>>>(tensor, args.workspace);
    } else {
      tensor_amax<Words, false><<<partials, kThreads, 0, stream>>>(tensor, args.workspace);
    }
  }
  tensor_scale<<<1, kNvfp4Partials, 0, stream>>>({args.workspace, partials,
                                                  args.static_tensor_scale, args.recipe,
                                                  args.tensor_scale, encode, factors});
  if (groups == 0) return;
  if (contiguous && !args.swizzled) {
    quantize_nvfp4_blocks<Words, true>
        <<<groups, kThreads, 0, stream>>>(tensor, args.tensor_scale, encode, factors);
  } else {
    quantize_nvfp4_blocks<Words, false>
        <<<groups, kThreads, 0, stream>>>(tensor, args.tensor_scale, encode, factors);
  }
}

}  // namespace

const char* quantize_nvfp4_cuda(const QuantizeNvfp4CudaArgs& args) {
  // Blocks are numbered with 32 bits, padding included.
  if (swizzled_bytes(args.x.rows, args.x.cols / kNvfp4Block) >= INT32_MAX) {
    return "more than 2^31 blocks";
  }
  const Nvfp4Blocks tensor = blocks_of(args);
  with_words(args.x.dtype, [&]<class Words>(Words) { launch<Words>(args, tensor); });
  return last_launch_error();
}

}  // namespace lowp::kernels
