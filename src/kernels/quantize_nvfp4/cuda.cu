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

// The scale of the tensor as the second kernel leaves it to the third.
struct TensorScale {
  float* decode;
  float* encode;
  float* exact_reciprocal;  // of decode; 0 where divisions by it are not replaced
  float* factors;           // (256), by block scale
};

// Where exact_quotient holds for both divisions of amax / 6 / decode. A quotient that underflows is
// a block scale of 0 however it is rounded.
constexpr float kMinExactAmax = 0x1p-80F;
constexpr float kMaxExactAmax = 0x1p60F;
constexpr float kMinExactDecode = 0x1p-60F;
constexpr float kMaxExactDecode = 0x1p80F;

// nvfp4_block_scale, with the divisions replaced where the quotient is known to be the same.
__device__ std::uint8_t block_scale_of(float amax, Nvfp4Recipe recipe, float floor,
                                       const TensorScale& scale, Divisor decode) {
  const unsigned above = to_bits(amax) - to_bits(kMinExactAmax);
  if (decode.reciprocal == 0.0F || above > to_bits(kMaxExactAmax) - to_bits(kMinExactAmax)) {
    return nvfp4_block_scale(recipe, amax, {decode.value, *scale.encode}, floor);
  }
  constexpr Divisor kSix{E2m1::kMax, 1.0F / E2m1::kMax};
  const float quotient = exact_quotient(exact_quotient(amax, kSix), decode);
  return __nv_cvt_float_to_fp8(fmaxf(quotient, floor), __NV_SATFINITE, __NV_E4M3);
}

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

// One group of threads. `given`: the tensor's scale if it is static, else nullptr.
__global__ void __launch_bounds__(kNvfp4Partials)
    tensor_scale(const std::uint32_t* partials, unsigned count, const float* given,
                 Nvfp4Recipe recipe, TensorScale result) {
  __shared__ unsigned of_warp[kNvfp4Partials / 32];
  unsigned amax = threadIdx.x < count ? partials[threadIdx.x] : 0;
  amax = __reduce_max_sync(kAllLanes, amax);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = amax;
  __syncthreads();
  for (const unsigned other : of_warp) amax = max(amax, other);
  const Nvfp4TensorScale scale = given != nullptr ? nvfp4_inference_scale_from(*given)
                                                  : nvfp4_tensor_scale(recipe, from_bits(amax));
  if (threadIdx.x < 256) {
    result.factors[threadIdx.x] =
        nvfp4_multiplier(recipe, static_cast<std::uint8_t>(threadIdx.x), scale);
  }
  if (threadIdx.x != 0) return;
  const bool exact = recipe == Nvfp4Recipe::kInference && scale.decode >= kMinExactDecode &&
                     scale.decode <= kMaxExactDecode;
  *result.decode = scale.decode;
  *result.encode = scale.encode;
  *result.exact_reciprocal = exact ? 1.0F / scale.decode : 0.0F;
}

// How a thread block's 512 blocks lie. kFlat: in a row, of aligned rows without gaps and scales
// without padding. kRows: row by row, padding included. kTiles: 16 blocks of four times eight rows,
// 32 apart: their scales are four lines of 128 bytes of the swizzled layout. Aligned.
enum class Nvfp4Layout : std::uint8_t { kFlat, kRows, kTiles };

constexpr unsigned kWarps = kThreads / 32;
constexpr unsigned kTileSteps = kSwizzleTileRows / 32;

// A lane has four loads in flight and makes the scales of two of the four blocks that it has a half
// of. Blocks are taken from the last one on: the pass before left the end of x in the cache.
template <class Words, Nvfp4Layout kLayout>
__global__ void __launch_bounds__(kThreads)
    quantize_nvfp4_blocks(Nvfp4Blocks tensor, TensorScale scale) {
  constexpr bool kFlat = kLayout == Nvfp4Layout::kFlat;
  constexpr bool kTiles = kLayout == Nvfp4Layout::kTiles;
  constexpr unsigned kOctetBytes = kOctet * 4 / Words::kPerWord;
  const unsigned lane = threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32;
  const unsigned half = lane % kLanes;
  const unsigned group = gridDim.x - 1 - blockIdx.x;
  const unsigned first = (group * kWarps + warp) * kWarpBlocks;
  const std::int64_t first_octet = static_cast<std::int64_t>(first) * kLanes + lane;
  const auto block_of = [&](unsigned step) { return first + step * kStepBlocks + lane / kLanes; };
  // Of kTiles: a line of 128 bytes within its tile of the swizzled layout, and its rows.
  const unsigned line = gridDim.y - 1 - blockIdx.y;
  const unsigned tile_row = line / kTileSteps * kSwizzleTileRows;
  const unsigned first_row = tile_row + line % kTileSteps * kWarps + warp;

  // This lane makes the scales of its steps 2 * half and 2 * half + 1.
  unsigned own_row[2] = {0, 0};
  if (!kTiles && (!kFlat || tensor.swizzled)) {
    own_row[0] = block_of(2 * half) / tensor.padded_across;
    own_row[1] = block_of(2 * half + 1) / tensor.padded_across;
  }

  Octet<Words> octets[kSteps];
  std::int64_t number[kSteps];  // of the octet in the codes; -1 for padding
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned block = block_of(i);
    const std::uint8_t* from;
    if constexpr (kFlat) {
      number[i] = block < tensor.blocks ? first_octet + i * 32 : -1;
      from = tensor.x + (first_octet + i * 32) * kOctetBytes;
    } else {
      const unsigned row =
          kTiles ? first_row + i * 32
                 : __shfl_sync(kAllLanes, own_row[i % 2], static_cast<int>(i / 2), kLanes);
      const unsigned col =
          kTiles ? group * kStepBlocks + lane / kLanes : block - row * tensor.padded_across;
      const std::int64_t octet_col = static_cast<std::int64_t>(col) * kLanes + half;
      const bool inside = row < tensor.rows && col < tensor.across;
      number[i] = inside ? std::int64_t{row} * tensor.across * kLanes + octet_col : -1;
      from = tensor.x + row * tensor.row_bytes + octet_col * kOctetBytes;
    }
    octets[i] = number[i] >= 0 ? load_octet<Words>(from, kFlat || kTiles || tensor.aligned)
                               : Octet<Words>::zero();
  }

  __shared__ alignas(16)
      std::uint8_t tiles[kStepBlocks / kSwizzleTileCols][kWarps][kTileSteps][kSwizzleTileCols];
  const Divisor decode{*scale.decode, *scale.exact_reciprocal};
  float factor[2];
#pragma unroll
  for (unsigned k = 0; k < 2; ++k) {
    // Of this lane's own two steps; each lane sends the other what belongs to it.
    const unsigned mine = octets[k].amax();
    const unsigned other = octets[k + 2].amax();
    const unsigned received = __shfl_xor_sync(kAllLanes, half == 0 ? other : mine, 1);
    const float amax =
        from_bits(max_in_word<Words>(max_words<Words>(half == 0 ? mine : other, received)));
    const std::uint8_t code = block_scale_of(amax, tensor.recipe, tensor.floor, scale, decode);
    factor[k] = scale.factors[code];
    if constexpr (kTiles) {
      const unsigned col = lane / kLanes;
      const bool inside = first_row + (2 * half + k) * 32 < tensor.rows &&
                          group * kStepBlocks + col < tensor.across;
      tiles[col / kSwizzleTileCols][warp][2 * half + k][col % kSwizzleTileCols] = inside ? code : 0;
    } else {
      const unsigned block = block_of(2 * half + k);
      if (block >= tensor.blocks) continue;
      const unsigned col = block - own_row[k] * tensor.padded_across;
      const bool inside = kFlat || (own_row[k] < tensor.rows && col < tensor.across);
      tensor.block_scale[tensor.swizzled ? swizzle_offset(own_row[k], col, tensor.across) : block] =
          inside ? code : 0;
    }
  }

#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const float of_step = __shfl_sync(kAllLanes, factor[i % 2], static_cast<int>(i / 2), kLanes);
    const unsigned codes = encode_e2m1_octet(octets[i], of_step);
    if (number[i] >= 0) reinterpret_cast<unsigned*>(tensor.codes)[number[i]] = codes;
  }
  if constexpr (kTiles) {
    __syncthreads();
    if (threadIdx.x >= sizeof(tiles) / 16) return;
    const unsigned tile = threadIdx.x / kWarps;
    const unsigned row = first_row - warp + threadIdx.x % kWarps;
    const unsigned col = group * kStepBlocks + tile * kSwizzleTileCols;
    if (col >= tensor.across) return;
    *reinterpret_cast<uint4*>(tensor.block_scale + swizzle_offset(row, col, tensor.across)) =
        *reinterpret_cast<const uint4*>(tiles[tile][threadIdx.x % kWarps]);
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
  auto* rest = reinterpret_cast<float*>(args.workspace + kNvfp4Partials);
  const TensorScale scale{args.tensor_scale, rest, rest + 1, rest + 2};
  const bool contiguous = args.x.stride == args.x.cols;
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
  tensor_scale<<<1, kNvfp4Partials, 0, stream>>>(args.workspace, partials, args.static_tensor_scale,
                                                 args.recipe, scale);
  if (groups == 0) return;
  const bool padded = tensor.blocks != tensor.rows * tensor.across;
  const std::int64_t lines = ceil_div(tensor.rows, kSwizzleTileRows) * kTileSteps;
  if (tensor.swizzled && tensor.aligned && is_aligned(tensor.block_scale, 16) && lines < 65536) {
    const dim3 grid(static_cast<unsigned>(ceil_div(tensor.across, kStepBlocks)),
                    static_cast<unsigned>(lines));
    quantize_nvfp4_blocks<Words, Nvfp4Layout::kTiles><<<grid, kThreads, 0, stream>>>(tensor, scale);
  } else if (contiguous && tensor.aligned && !padded) {
    quantize_nvfp4_blocks<Words, Nvfp4Layout::kFlat>
        <<<groups, kThreads, 0, stream>>>(tensor, scale);
  } else {
    quantize_nvfp4_blocks<Words, Nvfp4Layout::kRows>
        <<<groups, kThreads, 0, stream>>>(tensor, scale);
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
