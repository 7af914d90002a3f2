// Tiles of 128x128 (quantize_common/cuda_tiles.h): the amax of rows and columns meet in shared
// memory, every thread makes the scale of one row or column, and the codes leave through shared
// memory in whole lines.
#include "kernels/quantize_common/cuda_tiles.h"
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/cuda_scheme.h"
#include "kernels/quantize_fp8_both/cuda.h"

namespace lowp::kernels {
namespace {

// fp32 takes twice the registers.
template <class T>
using Tile = TileShape<4, 2, std::is_same_v<T, Fp32> ? 2 : 3>;
constexpr unsigned kTile = 128;
constexpr unsigned kThreads = 256;

struct Sides {
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* codes;
  std::uint8_t* codes_t;
  bool scanned;        // the scales of whole rows and columns are stored already
  bool bands;          // scales go to bands that words_to_rows takes
  unsigned alignment;  // of rows of codes: 16, 8 or 1 bytes
};

template <class T>
struct Shared {
  CodeTile<kTile, kTile, kThreads> codes[2];  // of rows, of columns
  // By the warps beside (below) each other: bits in x's own type.
  alignas(4) Scalar<T> amax_of_rows[2][kTile];
  alignas(4) Scalar<T> amax_of_cols[4][kTile];
  Divisor divisors[2][kTile];
};

// Of eight rows or columns, in words of one or two: four lanes that differ in `high` and `low`
// share them out. Lane 2 * (lane & high) + (lane & low) keeps the largest of its quarter.
template <class T>
__device__ void share_amax(unsigned (&words)[Eight<T>::kWords], unsigned high, unsigned low) {
  constexpr int kWords = Eight<T>::kWords;
#pragma unroll
  for (int half = kWords / 2; half >= kWords / 4; half /= 2) {
    const unsigned bit = half == kWords / 2 ? high : low;
    const bool upper = (threadIdx.x & bit) != 0;
#pragma unroll
    for (int w = 0; w < half; ++w) {
      const unsigned sent = upper ? words[w] : words[half + w];
      const unsigned kept = upper ? words[half + w] : words[w];
      words[w] = EachOfEight<Amax, T>::larger(kept, __shfl_xor_sync(kAllLanes, sent, bit));
    }
  }
}

// Which of eight the lane's quarter begins with.
__device__ unsigned quarter_of(unsigned high, unsigned low) {
  return ((threadIdx.x & high) != 0 ? 4 : 0) + ((threadIdx.x & low) != 0 ? 2 : 0);
}

// The words of a quarter to `of_eight`, the first of the eight.
template <class T>
__device__ void store_quarter(Scalar<T>* of_eight, const unsigned (&words)[Eight<T>::kWords],
                              unsigned quarter) {
#pragma unroll
  for (int i = 0; i < Eight<T>::kWords / 4; ++i) {
    reinterpret_cast<unsigned*>(of_eight + quarter)[i] = words[i];
  }
}

template <class T>
__device__ void find_row_amax(const Eight<T> (&values)[kEight], Shared<T>& shared) {
  using Each = EachOfEight<Amax, T>;
  unsigned words[Eight<T>::kWords];
  unsigned of_row[kEight];
#pragma unroll
  for (int i = 0; i < kEight; ++i) {
    of_row[i] = 0;
#pragma unroll
    for (const unsigned word : values[i].words) {
      of_row[i] = Each::larger(of_row[i], Each::magnitude(word));
    }
  }
#pragma unroll
  for (int w = 0; w < Eight<T>::kWords; ++w) {
    if constexpr (std::is_same_v<T, Fp32>) {
      words[w] = of_row[w];
    } else {
      words[w] = Each::larger(__byte_perm(of_row[2 * w], of_row[2 * w + 1], 0x5410),
                              __byte_perm(of_row[2 * w], of_row[2 * w + 1], 0x7632));
    }
  }
  share_amax<T>(words, 4, 2);
#pragma unroll
  for (int i = 0; i < Eight<T>::kWords / 4; ++i) {
    words[i] = Each::larger(words[i], __shfl_xor_sync(kAllLanes, words[i], 1));
  }
  if (threadIdx.x % 2 != 0) return;
  store_quarter<T>(&shared.amax_of_rows[threadIdx.x / kWarp % 2][Tile<T>::lane_row()], words,
                   quarter_of(4, 2));
}

template <class T>
__device__ void find_column_amax(const Eight<T> (&values)[kEight], Shared<T>& shared) {
  EachOfEight<Amax, T> found;
#pragma unroll
  for (int i = 0; i < kEight; ++i) found.add(values[i]);
  share_amax<T>(found.amax.words, 16, 8);
  store_quarter<T>(&shared.amax_of_cols[threadIdx.x / kWarp / 2][Tile<T>::lane_col()],
                   found.amax.words, quarter_of(16, 8));
}

// Of row or column `i`, over the warps that have parts of it.
template <class T, int kWarps>
__device__ Amax amax_over_warps(const Scalar<T> (&amax)[kWarps][kTile], unsigned i) {
  unsigned bits = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) {
    if constexpr (std::is_same_v<T, Fp32>) {
      bits = max(bits, __float_as_uint(amax[warp][i]));
    } else {
      bits = max(bits, static_cast<unsigned>(amax[warp][i]));
    }
  }
  const Eight<T> eight{{bits}};
  return {__float_as_uint(eight.at(0))};
}

// Makes and stores the scale of row `first + i` of a side, (count, across) scales of which this
// tile has column `col`. Returns what its elements are divided by.
template <class Scheme>
__device__ typename Scheme::Encoding make_scale(const Scheme& scheme, const Sides& sides, Amax amax,
                                                std::int64_t row, std::int64_t count,
                                                std::int64_t col, std::int64_t across) {
  const bool inside = row < count;
  if (sides.scanned) return scheme.stored(inside ? row : 0);
  const std::int64_t index = sides.bands ? band_offset(row, col, across) : row * across + col;
  return scheme.finish(inside ? amax : Amax{}, index, inside);
}

// Encodes eight rows (columns) of the lane: value(i, j) is element j of row i.
template <bool kFast, class Scheme, class Lane, class Value>
__device__ void encode_side(const Scheme& scheme, const Divisor* divisors, const Lane& lane,
                            const Value& value) {
#pragma unroll
  for (int i = 0; i < kEight; ++i) {
    auto encoding = scheme.encoding_of(divisors[i]);
    if constexpr (!kFast) encoding = scheme.prepared(encoding);
    const auto codes = encode_values<kFast>(
        scheme, [&](int j) { return value(i, j); }, encoding);
    lane.put(i, uint2{codes.words[0], codes.words[1]});
  }
}

// To rows from `row`, columns from `col` on of a (rows, cols) output.
template <class Codes>
__device__ void store_codes_of(const Codes& codes, std::uint8_t* out, unsigned alignment,
                               std::int64_t row, std::int64_t col, std::int64_t rows,
                               std::int64_t cols) {
  out += row * cols + col;
  const auto left_down = static_cast<unsigned>(min(rows - row, std::int64_t{kTile}));
  const auto left_across = static_cast<unsigned>(min(cols - col, std::int64_t{kTile}));
  if (alignment == 16) {
    codes.template store<16>(out, cols, left_down, left_across);
  } else if (alignment == 8) {
    codes.template store<8>(out, cols, left_down, left_across);
  } else {
    codes.template store<1>(out, cols, left_down, left_across);
  }
}

template <class Scheme, class T, bool kAligned>
__global__ void __launch_bounds__(kThreads, Tile<T>::kLeastResident)
    quantize_tiles(Plain<T> source, Scheme along_rows, Scheme along_cols, Sides sides,
                   TileOrder<Tile<T>> order) {
  extern __shared__ uint4 memory[];
  auto& shared = *reinterpret_cast<Shared<T>*>(memory);
  if (!sides.scanned) start_next_kernel();
  const std::int64_t first_row = order.first_row();
  const std::int64_t first_col = order.first_col();
  if (first_row >= sides.rows || first_col >= sides.cols) return;
  const unsigned lane_row = Tile<T>::lane_row();
  const unsigned lane_col = Tile<T>::lane_col();

  Eight<T> values[kEight];
  const std::int64_t rows_left = sides.rows - first_row - lane_row;
  const auto count = static_cast<int>(
      max(min(sides.cols - first_col - lane_col, std::int64_t{kEight}), std::int64_t{0}));
  const Scalar<T>* from = source.x + (first_row + lane_row) * source.stride + first_col + lane_col;
#pragma unroll
  for (int i = 0; i < kEight; ++i, from += source.stride) {
    values[i] = {};
    if (i < rows_left && count > 0) values[i] = load_eight<T, kAligned, Reuse::kNone>(from, count);
    asm volatile("" : "+l"(from));  // a sum a row, not a product
  }
  if (sides.scanned) {
    wait_for_kernel_before();
  } else {
    find_row_amax(values, shared);
    find_column_amax(values, shared);
  }
  __syncthreads();

  const unsigned own = threadIdx.x % kTile;
  typename Scheme::Encoding encoding;
  if (threadIdx.x < kTile) {
    encoding =
        make_scale(along_rows, sides, amax_over_warps<T>(shared.amax_of_rows, own), first_row + own,
                   sides.rows, first_col / kTile, ceil_div(sides.cols, kTile));
  } else {
    encoding =
        make_scale(along_cols, sides, amax_over_warps<T>(shared.amax_of_cols, own), first_col + own,
                   sides.cols, first_row / kTile, ceil_div(sides.rows, kTile));
  }
  shared.divisors[threadIdx.x / kTile][own] = encoding.divisor;
  const auto encode = [&]<bool kFast>(std::bool_constant<kFast>) {
    encode_side<kFast>(along_rows, &shared.divisors[0][lane_row],
                       shared.codes[0].lane(lane_row, lane_col),
                       [&](int i, int j) { return values[i].at(j); });
    forget_derived(values);
    encode_side<kFast>(along_cols, &shared.divisors[1][lane_col],
                       shared.codes[1].lane(lane_col, lane_row),
                       [&](int j, int i) { return values[i].at(j); });
  };
  if (__syncthreads_and(encoding.fast)) {
    encode(std::true_type{});
  } else {
    encode(std::false_type{});
  }
  __syncthreads();
  store_codes_of(shared.codes[0], sides.codes, sides.alignment, first_row, first_col, sides.rows,
                 sides.cols);
  store_codes_of(shared.codes[1], sides.codes_t, sides.alignment, first_col, first_row, sides.cols,
                 sides.rows);
}

template <class Scheme, class T, bool kAligned>
void launch(const QuantizeFp8BothArgs& args, const Scheme& along_rows, const Scheme& along_cols) {
  auto* stream = static_cast<cudaStream_t>(args.stream);
  const Plain<T> source(args.x);
  const std::int64_t rows = args.x.rows;
  const std::int64_t cols = args.x.cols;
  const bool whole = args.group_size == -1;
  if (whole) {
    const Strips strips = Strips::to_scan(rows, cols);
    auto* of_columns = static_cast<Amax*>(args.workspace);
    Amax* of_rows = of_columns + strips.down * cols;
    scan_strips<Amax, Plain<T>, true, kAligned>
        <<<strips.tiles(), kStripWarps * kWarp, 0, stream>>>(source, strips, of_columns, of_rows);
    const Finishing<Scheme> columns{along_cols, of_columns, cols, strips.down};
    const Finishing<Scheme> of_row{along_rows, of_rows, rows, strips.across};
    launch_finish(columns, of_row, std::max(rows, cols), 2, true, stream);
  }
  const auto words = [](float* scale, std::int64_t count, std::int64_t extent) {
    return WordMatrix{reinterpret_cast<unsigned*>(scale), static_cast<unsigned>(count),
                      static_cast<unsigned>(ceil_div(extent, kTile))};
  };
  const WordMatrix scales = words(args.scale, rows, cols);
  const WordMatrix scales_t = words(args.scale_t, cols, rows);
  const bool bands =
      !whole && rows * cols >= kManyElements && takes_bands(scales) && takes_bands(scales_t);
  const auto aligned_to = [&](std::int64_t bytes) {
    return rows % bytes == 0 && cols % bytes == 0 && is_aligned(args.codes, bytes) &&
           is_aligned(args.codes_t, bytes);
  };
  const Sides sides{rows,
                    cols,
                    args.codes,
                    args.codes_t,
                    whole,
                    bands,
                    aligned_to(16) ? 16U : (aligned_to(8) ? 8U : 1U)};
  const TileOrder<Tile<T>> order(rows);
  const auto kernel = quantize_tiles<Scheme, T, kAligned>;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared<T>));
  if (whole) {
    launch_overlapped(kernel, order.grid(rows, cols), kThreads, sizeof(Shared<T>), stream, source,
                      along_rows, along_cols, sides, order);
  } else {
    kernel<<<order.grid(rows, cols), kThreads, sizeof(Shared<T>), stream>>>(
        source, along_rows, along_cols, sides, order);
  }
  if (bands) launch_words_to_rows(scales, scales_t, stream);
}

QuantizeFp8Args side(const QuantizeFp8BothArgs& args, float* scale) {
  return {.x = args.x,
          .block = {1, args.group_size},
          .element = args.element,
          .scale_dtype = DType::kF32,
          .power_of_two = args.power_of_two,
          .static_scale = nullptr,
          .codes = nullptr,
          .scale = scale,
          .parallel = nullptr};
}

}  // namespace

std::int64_t quantize_fp8_both_cuda_workspace(std::int64_t rows, std::int64_t cols,
                                              std::int64_t group_size) {
  if (group_size != -1 || rows == 0 || cols == 0) return 0;
  const Strips strips = Strips::to_scan(rows, cols);
  return static_cast<std::int64_t>(sizeof(Amax)) * (strips.down * cols + strips.across * rows);
}

const char* quantize_fp8_both_cuda(const QuantizeFp8BothArgs& args) {
  if (args.x.rows == 0 || args.x.cols == 0) return nullptr;
  const bool aligned = has_vectors(args.x);
  with_fp8_scheme(side(args, args.scale), [&]<class Scheme>(const Scheme& along_rows) {
    const Scheme along_cols(side(args, args.scale_t));
    with_element(args.x.dtype, [&]<class T>(T) {
      if (aligned) {
        launch<Scheme, T, true>(args, along_rows, along_cols);
      } else {
        launch<Scheme, T, false>(args, along_rows, along_cols);
      }
    });
  });
  return launch_error();
}

}  // namespace lowp::kernels
