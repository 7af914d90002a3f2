// Blocks of 32 along rows, along columns, or along both from one read, in the tiles of
// quantize_common/cuda_tiles.h.
#include "formats/mx.h"
#include "kernels/quantize_common/cuda_tiles.h"
#include "kernels/quantize_mx/cuda_kernels.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kBlock = kMxBlock;
constexpr unsigned kWordBlocks = 4;  // blocks whose scales are a word

// How scales are stored: in rows at once, in bands that words_to_rows takes, or in the layout
// 32_4_4.
enum class ScaleLayout : std::uint8_t { kRows, kBands, kSwizzled };

// One output: x's rows, or its columns.
struct Output {
  std::uint8_t* codes;
  std::uint8_t* scale;
  unsigned rows;  // of the codes
  unsigned cols;
};

template <class Shape>
struct Tiles {
  const std::uint8_t* x;
  std::int64_t row_bytes;  // between rows of x
  TileOrder<Shape> order;
  MxScaleRule rule;
  ScaleLayout layout;
  Output along_rows;  // (rows, cols)
  Output along_cols;  // (cols, rows)
};

// Scales of a tile: those of kBlocks blocks for each of kRows rows or columns.
template <unsigned kRows, unsigned kBlocks, unsigned kThreads>
struct ScaleTile {
  static constexpr unsigned kWords = kBlocks / kWordBlocks;
  alignas(16) std::uint8_t bytes[kRows][kBlocks];

  __device__ unsigned word(unsigned row, unsigned i) const {
    return reinterpret_cast<const unsigned*>(bytes[row])[i];
  }

  // To rows from `first_row`, blocks from `first` on.
  __device__ void store(const Output& output, ScaleLayout layout, unsigned first_row,
                        unsigned first) const {
    const unsigned blocks = output.cols / kBlock;
    if (layout == ScaleLayout::kSwizzled) return store_swizzled(output, blocks, first_row, first);
#pragma unroll
    for (unsigned i = threadIdx.x; i < kRows * kWords; i += kThreads) {
      const unsigned row = first_row + i % kRows;
      const unsigned block = first + i / kRows * kWordBlocks;
      if (row >= output.rows || block >= blocks) continue;
      const unsigned four = word(i % kRows, i / kRows);
      if (layout == ScaleLayout::kBands) {
        auto* words = reinterpret_cast<unsigned*>(output.scale);
        words[band_offset(row, block / kWordBlocks, blocks / kWordBlocks)] = four;
      } else {
        std::uint8_t* scale = output.scale + static_cast<std::int64_t>(row) * blocks + block;
        if (blocks % kWordBlocks == 0) {
          *reinterpret_cast<unsigned*>(scale) = four;
        } else {
          for (unsigned k = 0; k < kWordBlocks && block + k < blocks; ++k) {
            scale[k] = static_cast<std::uint8_t>(four >> (8 * k));
          }
        }
      }
    }
  }

 private:
  // 16 bytes a lane: what lies side by side there are rows 32 apart.
  __device__ void store_swizzled(const Output& output, unsigned blocks, unsigned first_row,
                                 unsigned first) const {
    static_assert(kRows % kSwizzleTileRows == 0);
    for (unsigned i = threadIdx.x; i < kRows / 4 * kWords; i += kThreads) {
      const unsigned column = i / 32 % kWords;
      const unsigned tile_row = i / 32 / kWords * kSwizzleTileRows;
      const unsigned block = first + column * kWordBlocks;
      if (first_row + tile_row >= output.rows || block >= blocks) continue;
      const unsigned row = tile_row + i % 32;
      *reinterpret_cast<uint4*>(output.scale + swizzle_offset(first_row + row, block, blocks)) = {
          word(row, column), word(row + 32, column), word(row + 64, column),
          word(row + 96, column)};
    }
  }
};

struct Nothing {};
template <bool kWanted, class Type>
using If = std::conditional_t<kWanted, Type, Nothing>;

template <class Element>
constexpr unsigned code_bytes(unsigned count) {
  return count / kOctet * OctetCodes<Element>::kBytes;
}

template <class Element, bool kAlongRows, bool kAlongCols, class Shape>
struct Shared {
  static constexpr unsigned kRows = Shape::kRows;
  static constexpr unsigned kCols = Shape::kCols;
  static constexpr unsigned kThreads = Shape::kThreads;
  If<kAlongRows, CodeTile<kRows, code_bytes<Element>(kCols), kThreads>> row_codes;
  If<kAlongCols, CodeTile<kCols, code_bytes<Element>(kRows), kThreads>> col_codes;
  If<kAlongRows, ScaleTile<kRows, kCols / kBlock, kThreads>> row_scales;
  If<kAlongCols, ScaleTile<kCols, kRows / kBlock, kThreads>> col_scales;
};

// Of two rows (columns) next to each other: scale bytes, and what to multiply by, as two bf16.
struct TwoScales {
  unsigned scales;
  unsigned factors;
};

// The scales of 2 of 8 rows (columns) that four lanes share.
template <class Words, class Element, int kWords>
__device__ TwoScales two_scales(unsigned (&amax)[kWords], unsigned high, unsigned low,
                                MxScaleRule rule) {
  max_over_four_lanes<Words>(amax, threadIdx.x % 32, high, low);
  unsigned first = amax[0];
  unsigned second = amax[0] >> 16;
  if constexpr (Words::kPerWord == 1) second = amax[1];
  const unsigned mask = Words::kPerWord == 2 ? 0xFFFFU : ~0U;
  first = mx_scale<Element>(__float_as_uint(Words::low(first & mask)), rule);
  second = mx_scale<Element>(__float_as_uint(Words::low(second & mask)), rule);
  return {first | second << 8, bf16_reciprocal(first) | bf16_reciprocal(second) << 16};
}

// The factor of one of the two, twice.
__device__ unsigned factors_of(unsigned two, int i) {
  return __byte_perm(two, 0, i % 2 == 0 ? 0x1010 : 0x3232);
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

template <class Words>
__device__ void load(const std::uint8_t* from, std::int64_t row_bytes, bool inside,
                     Octet<Words> (&octets)[kOctet]) {
#pragma unroll
  for (int i = 0; i < kOctet; ++i, from += row_bytes) {
    octets[i] = inside ? Octet<Words>::load(from) : Octet<Words>::zero();
    asm volatile("" : "+l"(from));  // a sum a row, not a product
  }
}

template <class Element, class Words, class Codes, class Scales>
__device__ void encode_rows(const Octet<Words> (&octets)[kOctet], MxScaleRule rule, unsigned row,
                            unsigned col, Codes& codes, Scales& scales) {
  unsigned amax[Octet<Words>::kWords];
#pragma unroll
  for (int w = 0; w < Octet<Words>::kWords; ++w) {
    if constexpr (Words::kPerWord == 1) {
      amax[w] = octets[w].amax();
    } else {
      const unsigned even = octets[2 * w].amax();
      const unsigned odd = octets[2 * w + 1].amax();
      amax[w] = max_words<Words>(__byte_perm(even, odd, 0x5410), __byte_perm(even, odd, 0x7632));
    }
  }
  const TwoScales own = two_scales<Words, Element>(amax, 2, 1, rule);
  const unsigned own_row = row + threadIdx.x % 4 * 2;
  scales.bytes[own_row][col / kBlock] = static_cast<std::uint8_t>(own.scales);
  scales.bytes[own_row + 1][col / kBlock] = static_cast<std::uint8_t>(own.scales >> 8);
  const auto lane = codes.lane(row, code_bytes<Element>(col));
#pragma unroll
  for (int i = 0; i < kOctet; ++i) {
    const unsigned two = __shfl_sync(kAllLanes, own.factors, i / 2, 4);
    lane.put(i, encode_octet<Element>(octets[i], factors_of(two, i)));
  }
}

template <class Element, class Words, class Codes, class Scales>
__device__ void encode_cols(const Octet<Words> (&octets)[kOctet], MxScaleRule rule, unsigned row,
                            unsigned col, Codes& codes, Scales& scales) {
  unsigned amax[Octet<Words>::kWords];
#pragma unroll
  for (int w = 0; w < Octet<Words>::kWords; ++w) {
    amax[w] = octets[0].words[w];
#pragma unroll
    for (int i = 1; i < kOctet; ++i) {
      amax[w] = larger_magnitudes<Words>(amax[w], octets[i].words[w]);
    }
    amax[w] = magnitudes<Words>(amax[w]);
  }
  const TwoScales own = two_scales<Words, Element>(amax, 16, 8, rule);
  const unsigned own_col = col + threadIdx.x / 8 % 4 * 2;
  scales.bytes[own_col][row / kBlock] = static_cast<std::uint8_t>(own.scales);
  scales.bytes[own_col + 1][row / kBlock] = static_cast<std::uint8_t>(own.scales >> 8);
  const auto lane = codes.lane(col, code_bytes<Element>(row));
#pragma unroll
  for (int j = 0; j < kOctet; ++j) {
    const int from_lane = static_cast<int>(threadIdx.x % 8) + j / 2 * 8;
    const unsigned two = __shfl_sync(kAllLanes, own.factors, from_lane);
    lane.put(j, encode_octet<Element>(column(octets, j), factors_of(two, j)));
  }
}

// To rows from first_row, columns from first_col on of the output.
template <class Element, class Codes, class Scales>
__device__ void store(const Output& output, ScaleLayout layout, const Codes& codes,
                      const Scales& scales, unsigned first_row, unsigned first_col) {
  const std::int64_t stride = code_bytes<Element>(output.cols);
  codes.template store<16>(output.codes + first_row * stride + code_bytes<Element>(first_col),
                           stride, output.rows - first_row,
                           code_bytes<Element>(output.cols - first_col));
  scales.store(output, layout, first_row, first_col / kBlock);
}

template <class Words, class Element, bool kAlongRows, bool kAlongCols, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kLeastResident)
    quantize_tiles(const __grid_constant__ Tiles<Shape> tiles) {
  extern __shared__ uint4 memory[];
  auto& shared = *reinterpret_cast<Shared<Element, kAlongRows, kAlongCols, Shape>*>(memory);
  start_next_kernel();
  const unsigned first_row = tiles.order.first_row();
  const unsigned first_col = tiles.order.first_col();
  const unsigned rows = tiles.along_rows.rows;
  const unsigned cols = tiles.along_rows.cols;
  if (first_row >= rows || first_col >= cols) return;

  const unsigned row = Shape::lane_row();
  const unsigned col = Shape::lane_col();
  Octet<Words> octets[kOctet];
  load(tiles.x + (first_row + row) * tiles.row_bytes +
           std::int64_t{first_col + col} * (4 / Words::kPerWord),
       tiles.row_bytes, first_row + row < rows && first_col + col < cols, octets);
  if constexpr (kAlongRows) {
    encode_rows<Element>(octets, tiles.rule, row, col, shared.row_codes, shared.row_scales);
  }
  if constexpr (kAlongRows && kAlongCols) forget_derived(octets);
  if constexpr (kAlongCols) {
    encode_cols<Element>(octets, tiles.rule, row, col, shared.col_codes, shared.col_scales);
  }
  __syncthreads();
  if constexpr (kAlongRows) {
    store<Element>(tiles.along_rows, tiles.layout, shared.row_codes, shared.row_scales, first_row,
                   first_col);
  }
  if constexpr (kAlongCols) {
    store<Element>(tiles.along_cols, tiles.layout, shared.col_codes, shared.col_scales, first_col,
                   first_row);
  }
}

// Scales of an output as words.
WordMatrix words_of(const Output& output) {
  if (output.codes == nullptr) return {};
  return {reinterpret_cast<unsigned*>(output.scale), output.rows,
          output.cols / (kBlock * kWordBlocks)};
}

template <class Words, class Element, bool kAlongRows, bool kAlongCols, class Shape>
void launch(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  auto* stream = static_cast<cudaStream_t>(args.stream);
  const auto rows = static_cast<unsigned>(x.rows);
  const auto cols = static_cast<unsigned>(x.cols);
  Tiles<Shape> tiles{
      .x = static_cast<const std::uint8_t*>(x.data),
      .row_bytes = x.stride * (bits(x.dtype) / 8),
      .order = TileOrder<Shape>(x.rows),
      .rule = mx_scale_rule<Element>(args.mode),
      .layout = args.swizzled ? ScaleLayout::kSwizzled : ScaleLayout::kRows,
      .along_rows = {args.along_rows.codes, args.along_rows.scale, rows, cols},
      .along_cols = {args.along_cols.codes, args.along_cols.scale, cols, rows},
  };
  constexpr unsigned kWord = kBlock * kWordBlocks;
  const bool bands = !args.swizzled && x.rows * x.cols >= kManyElements && rows % kWord == 0 &&
                     cols % kWord == 0 && takes_bands(words_of(tiles.along_rows)) &&
                     takes_bands(words_of(tiles.along_cols));
  if (bands) tiles.layout = ScaleLayout::kBands;
  constexpr int kBytes = sizeof(Shared<Element, kAlongRows, kAlongCols, Shape>);
  const auto kernel = quantize_tiles<Words, Element, kAlongRows, kAlongCols, Shape>;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  kernel<<<tiles.order.grid(x.rows, x.cols), Shape::kThreads, kBytes, stream>>>(tiles);
  if (bands) {
    launch_words_to_rows(words_of(tiles.along_rows), words_of(tiles.along_cols), stream);
  }
}

}  // namespace

bool takes_mx_tiles(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  const auto fits = [](const MxBlocks& blocks) {
    return is_aligned(blocks.codes, 16) && is_aligned(blocks.scale, 16);
  };
  // Rows of codes are whole chunks: 32 columns of them are 16 bytes or 32.
  return args.block_size == kMxBlock && x.cols % kOctet == 0 && x.rows % kOctet == 0 &&
         (args.along_rows.codes == nullptr || x.cols % kMxBlock == 0) &&
         (args.along_cols.codes == nullptr || x.rows % kMxBlock == 0) &&
         x.stride * (bits(x.dtype) / 8) % 16 == 0 && is_aligned(x.data, 16) &&
         fits(args.along_rows) && fits(args.along_cols);
}

void quantize_mx_tiles(const QuantizeMxCudaArgs& args) {
  with_words(args.x.dtype, [&]<class Words>(Words) {
    with_mx_element(args.element, [&]<class Element>(Element) {
      // fp32, fp6 and e2m1 take more registers.
      constexpr bool kFp8 = std::is_same_v<Element, E4m3> || std::is_same_v<Element, E5m2>;
      constexpr unsigned kResident = Words::kPerWord == 1 ? 1 : 3;
      constexpr bool kLarge = kFp8 && Words::kPerWord == 2;
      using Small = TileShape<4, 2, kResident>;
      using Wide = std::conditional_t<kLarge, TileShape<4, 4, 2>, Small>;
      using Tall = std::conditional_t<kLarge, TileShape<8, 2, 2>, Small>;
      if (args.along_rows.codes == nullptr) {
        launch<Words, Element, false, true, Tall>(args);
      } else if (args.along_cols.codes == nullptr) {
        launch<Words, Element, true, false, Wide>(args);
      } else {
        launch<Words, Element, true, true, Tall>(args);
      }
    });
  });
}

}  // namespace lowp::kernels
