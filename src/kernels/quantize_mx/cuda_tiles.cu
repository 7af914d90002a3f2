// Blocks of 32 along rows, along columns, or along both from one read. A group of threads takes a
// tile of 128x128, whose scales are a tile of the swizzled layout for either dimension; a warp
// takes 32x64, a lane 8x8, so that a lane holds eight consecutive elements of rows and of columns
// alike. Codes go through shared memory, so that whole lines of 128 bytes are stored.
#include "formats/mx.h"
#include "formats/swizzle.h"
#include "kernels/quantize_mx/cuda_kernels.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kTile = 128;
constexpr unsigned kBlock = kMxBlock;
constexpr unsigned kAcross = 8;  // octets that lie side by side in a warp, ...
constexpr unsigned kDown = 4;    // ... and below each other
constexpr unsigned kWarpsAcross = kTile / (kOctet * kAcross);
constexpr unsigned kChunk = 16;  // bytes that a lane copies
constexpr unsigned kGroup = 8;   // tiles along the side of a square that is taken at a time

// One output: x's rows, or its columns.
struct Output {
  std::uint8_t* codes;
  std::uint8_t* scale;
  unsigned rows;  // of the codes
  unsigned cols;
};

struct Tiles {
  const std::uint8_t* x;
  std::int64_t row_bytes;  // between rows of x
  MxScaleRule rule;
  bool swizzled;
  unsigned down;  // number of tiles
  unsigned across;
  Output along_rows;  // (rows, cols)
  Output along_cols;  // (cols, rows)
};

// Scales of a tile: four blocks for each of 128 rows or columns.
using ScaleTile = std::uint8_t[kTile][kTile / kBlock];

// Codes of a tile. The 16-byte chunks of a row are permuted by the octet of rows that it is in: the
// octets of a warp that lie below each other go to different banks.
template <class Element>
struct CodeTile {
  static constexpr unsigned kRowBytes = kTile * OctetCodes<Element>::kBytes / kOctet;
  static constexpr unsigned kChunks = kRowBytes / kChunk;
  alignas(16) std::uint8_t bytes[kTile * kRowBytes];

  __device__ std::uint8_t* at(unsigned row, unsigned byte) {
    constexpr unsigned kBits = kChunks == 8 ? 3 : 2;
    const unsigned permuted = byte / kChunk ^ __brev(row / kOctet % kChunks) >> (32 - kBits);
    return bytes + row * kRowBytes + permuted * kChunk + byte % kChunk;
  }

  __device__ void put(unsigned row, unsigned col, typename OctetCodes<Element>::Type codes) {
    const unsigned byte = col / kOctet * OctetCodes<Element>::kBytes;
    *reinterpret_cast<typename OctetCodes<Element>::Type*>(at(row, byte)) = codes;
  }

  // To rows from tile `down`, columns from tile `across` on.
  __device__ void store(const Output& output, unsigned down, unsigned across) {
    const std::int64_t row_bytes =
        static_cast<std::int64_t>(output.cols / kOctet) * OctetCodes<Element>::kBytes;
    const unsigned byte = threadIdx.x % kChunks * kChunk;
    const std::int64_t first_byte = std::int64_t{across} * kRowBytes + byte;
    if (first_byte >= row_bytes) return;
#pragma unroll
    for (unsigned i = 0; i < kTile * kChunks / kThreads; ++i) {
      const unsigned row = i * (kThreads / kChunks) + threadIdx.x / kChunks;
      const std::int64_t out_row = std::int64_t{down} * kTile + row;
      if (out_row < output.rows) {
        *reinterpret_cast<uint4*>(output.codes + out_row * row_bytes + first_byte) =
            *reinterpret_cast<const uint4*>(at(row, byte));
      }
    }
  }
};

struct Nothing {};
template <bool kWanted, class Type>
using If = std::conditional_t<kWanted, Type, Nothing>;

// The scales of 2 of 8 rows (columns) that four lanes share, in the two bytes.
template <class Words, class Element, int kWords>
__device__ unsigned two_scales(unsigned (&amax)[kWords], unsigned lane, unsigned high, unsigned low,
                               MxScaleRule rule) {
  max_over_four_lanes<Words>(amax, lane, high, low);
  unsigned first = amax[0];
  unsigned second = amax[0] >> 16;
  if constexpr (Words::kPerWord == 1) second = amax[1];
  const unsigned mask = Words::kPerWord == 2 ? 0xFFFFU : ~0U;
  return mx_scale<Element>(__float_as_uint(Words::low(first & mask)), rule) |
         mx_scale<Element>(__float_as_uint(Words::low(second & mask)), rule) << 8;
}

// Stores the four scales of row `inner` of a tile. `down`, `across`: the tile's place.
__device__ void store_scales(const Output& output, bool swizzled, unsigned down, unsigned across,
                             const ScaleTile& tile, unsigned inner) {
  const unsigned four = *reinterpret_cast<const unsigned*>(tile[inner]);
  const unsigned blocks = output.cols / kBlock;
  const unsigned row = down * kTile + inner;
  const unsigned col = across * (kTile / kBlock);
  if (swizzled) {
    *reinterpret_cast<unsigned*>(output.scale + swizzle_offset(row, col, blocks)) = four;
  } else if (row < output.rows) {
    std::uint8_t* scale = output.scale + static_cast<std::int64_t>(row) * blocks + col;
    if (blocks % 4 == 0) {
      *reinterpret_cast<unsigned*>(scale) = four;
    } else {
      for (unsigned i = 0; i < 4 && col + i < blocks; ++i) {
        scale[i] = static_cast<std::uint8_t>(four >> (8 * i));
      }
    }
  }
}

// Tiles are taken in squares of kGroup x kGroup: the words of scales that fill a sector of 32
// bytes, and the lines that fill a page, are written within a short time for either dimension.
struct Place {
  unsigned down;
  unsigned across;
};
__device__ Place tile_of(unsigned number, const Tiles& tiles) {
  const unsigned band_tiles = kGroup * tiles.across;
  const unsigned band = number / band_tiles;
  const unsigned in_band = number % band_tiles;
  const unsigned height = min(kGroup, tiles.down - band * kGroup);
  const unsigned square = in_band / (height * kGroup);
  const unsigned in_square = in_band % (height * kGroup);
  const unsigned width = min(kGroup, tiles.across - square * kGroup);
  return {band * kGroup + in_square / width, square * kGroup + in_square % width};
}

// Eight rows of column `col` of a lane's 8x8 elements.
template <class Words>
__device__ Octet<Words> column(const Octet<Words> (&octets)[kOctet], int col) {
  Octet<Words> result;
#pragma unroll
  for (int w = 0; w < Octet<Words>::kWords; ++w) {
    if constexpr (Words::kPerWord == 1) {
      result.words[w] = octets[w].words[col];
    } else {
      result.words[w] = __byte_perm(octets[2 * w].words[col / 2], octets[2 * w + 1].words[col / 2],
                                    col % 2 == 0 ? 0x5410 : 0x7632);
    }
  }
  return result;
}

template <class Words, class Element, bool kAlongRows, bool kAlongCols>
__global__ void __launch_bounds__(kThreads, Words::kPerWord) quantize_tiles(Tiles tiles) {
  constexpr int kWords = Octet<Words>::kWords;
  constexpr unsigned kOctetBytes = kOctet * 4 / Words::kPerWord;
  __shared__ If<kAlongRows, CodeTile<Element>> row_codes;
  __shared__ If<kAlongCols, CodeTile<Element>> col_codes;
  __shared__ alignas(4) ScaleTile row_scales;
  __shared__ alignas(4) ScaleTile col_scales;

  const auto [down, across] = tile_of(blockIdx.x, tiles);
  const unsigned lane = threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32;
  // Of this lane's 8x8 elements within the tile.
  const unsigned row = (warp / kWarpsAcross * kDown + lane / kAcross) * kOctet;
  const unsigned col = (warp % kWarpsAcross * kAcross + lane % kAcross) * kOctet;
  const unsigned first_row = down * kTile + row;
  const unsigned first_col = across * kTile + col;
  const bool inside = first_row < tiles.along_rows.rows && first_col < tiles.along_rows.cols;

  Octet<Words> octets[kOctet];
  const std::uint8_t* from =
      tiles.x + first_row * tiles.row_bytes + first_col / kOctet * std::int64_t{kOctetBytes};
#pragma unroll
  for (int i = 0; i < kOctet; ++i) {
    octets[i] = inside ? Octet<Words>::load(from + i * tiles.row_bytes) : Octet<Words>::zero();
  }

  if constexpr (kAlongRows) {
    unsigned amax[kWords];
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      if constexpr (Words::kPerWord == 1) {
        amax[w] = octets[w].amax();
      } else {
        const unsigned even = octets[2 * w].amax();
        const unsigned odd = octets[2 * w + 1].amax();
        amax[w] = max_words<Words>(__byte_perm(even, odd, 0x5410), __byte_perm(even, odd, 0x7632));
      }
    }
    const unsigned own = two_scales<Words, Element>(amax, lane, 2, 1, tiles.rule);
    const unsigned own_row = row + lane % 4 * 2;
    row_scales[own_row][col / kBlock] = static_cast<std::uint8_t>(own);
    row_scales[own_row + 1][col / kBlock] = static_cast<std::uint8_t>(own >> 8);
#pragma unroll
    for (int i = 0; i < kOctet; ++i) {
      const unsigned two = __shfl_sync(kAllLanes, own, i / 2, 4);
      const float factor = E8m0::reciprocal(static_cast<std::uint8_t>(two >> (i % 2 * 8)));
      row_codes.put(row + i, col, encode_octet<Element>(octets[i], factor));
    }
  }

  if constexpr (kAlongCols) {
    unsigned amax[kWords];
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      amax[w] = magnitudes<Words>(octets[0].words[w]);
#pragma unroll
      for (int i = 1; i < kOctet; ++i) {
        amax[w] = max_words<Words>(amax[w], magnitudes<Words>(octets[i].words[w]));
      }
    }
    const unsigned own = two_scales<Words, Element>(amax, lane, 2 * kAcross, kAcross, tiles.rule);
    const unsigned own_col = col + lane / kAcross % 4 * 2;
    col_scales[own_col][row / kBlock] = static_cast<std::uint8_t>(own);
    col_scales[own_col + 1][row / kBlock] = static_cast<std::uint8_t>(own >> 8);
#pragma unroll
    for (int j = 0; j < kOctet; ++j) {
      const unsigned two =
          __shfl_sync(kAllLanes, own, static_cast<int>(lane % kAcross) + j / 2 * 8);
      const float factor = E8m0::reciprocal(static_cast<std::uint8_t>(two >> (j % 2 * 8)));
      col_codes.put(col + j, row, encode_octet<Element>(column(octets, j), factor));
    }
  }

  __syncthreads();
  if constexpr (kAlongRows) row_codes.store(tiles.along_rows, down, across);
  if constexpr (kAlongCols) col_codes.store(tiles.along_cols, across, down);
  const unsigned inner = threadIdx.x % kTile;
  if (threadIdx.x < kTile) {
    if (kAlongCols) {
      store_scales(tiles.along_cols, tiles.swizzled, across, down, col_scales, inner);
    }
  } else if (kAlongRows) {
    store_scales(tiles.along_rows, tiles.swizzled, down, across, row_scales, inner);
  }
}

}  // namespace

bool takes_mx_tiles(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  const auto fits = [](const MxBlocks& blocks) {
    return is_aligned(blocks.codes, kChunk) && is_aligned(blocks.scale, 4);
  };
  // Rows of codes are whole chunks: 32 columns of them are 16 bytes or 32.
  return args.block_size == kMxBlock && x.cols % kOctet == 0 && x.rows % kOctet == 0 &&
         (args.along_rows.codes == nullptr || x.cols % kMxBlock == 0) &&
         (args.along_cols.codes == nullptr || x.rows % kMxBlock == 0) &&
         x.stride * (bits(x.dtype) / 8) % 16 == 0 && is_aligned(x.data, 16) &&
         fits(args.along_rows) && fits(args.along_cols);
}

void quantize_mx_tiles(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  const auto rows = static_cast<unsigned>(x.rows);
  const auto cols = static_cast<unsigned>(x.cols);
  Tiles tiles{
      .x = static_cast<const std::uint8_t*>(x.data),
      .row_bytes = x.stride * (bits(x.dtype) / 8),
      .rule = {},
      .swizzled = args.swizzled,
      .down = (rows + kTile - 1) / kTile,
      .across = (cols + kTile - 1) / kTile,
      .along_rows = {args.along_rows.codes, args.along_rows.scale, rows, cols},
      .along_cols = {args.along_cols.codes, args.along_cols.scale, cols, rows},
  };
  const unsigned groups = tiles.down * tiles.across;
  auto* stream = static_cast<cudaStream_t>(args.stream);
  with_words(x.dtype, [&]<class Words>(Words) {
    with_mx_element(args.element, [&]<class Element>(Element) {
      tiles.rule = mx_scale_rule<Element>(args.mode);
      if (args.along_rows.codes == nullptr) {
        quantize_tiles<Words, Element, false, true><<<groups, kThreads, 0, stream>>>(tiles);
      } else if (args.along_cols.codes == nullptr) {
        quantize_tiles<Words, Element, true, false><<<groups, kThreads, 0, stream>>>(tiles);
      } else {
        quantize_tiles<Words, Element, true, true><<<groups, kThreads, 0, stream>>>(tiles);
      }
    });
  });
}

}  // namespace lowp::kernels
