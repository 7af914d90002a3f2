// A thread block takes a tile of 128x128: a thread eight rows of eight columns, in registers. Codes
// of rows are stored from there. Those of columns go through shared memory, eight rows of a column
// in eight bytes, and leave it as rows of the transposed matrix.
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/cuda_scheme.h"
#include "kernels/quantize_fp8_both/cuda.h"

namespace lowp::kernels {
namespace {

constexpr int kTile = 128;
constexpr int kAcross = kTile / kEight;  // threads side by side: half of a warp
constexpr int kThreads = kAcross * kAcross;
constexpr int kWarps = kThreads / kWarp;

struct Sides {
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* codes;
  std::uint8_t* codes_t;
  unsigned tiles_across;
  bool scanned;  // the scales of whole rows and columns are stored already
};

// Codes of eight elements, each with an encoding of its own.
template <class Scheme, class Values, class Encodings>
__device__ uint2 encode_each(const Scheme& scheme, const Values& value, const Encodings& encoding) {
  unsigned words[2] = {0, 0};
#pragma unroll
  for (int i = 0; i < kEight; i += 2) {
    const auto even = encoding(i);
    const auto odd = encoding(i + 1);
    const unsigned pair =
        even.fast && odd.fast
            ? scheme.template encode_pair<true>(value(i), value(i + 1), even, odd)
            : scheme.template encode_pair<false>(value(i), value(i + 1), even, odd);
    words[i / 4] |= pair << i % 4 * 8;
  }
  return {words[0], words[1]};
}

// Where eight bytes of a column lie in the transposed tile: moved so that half a warp, which writes
// every eighth column, meets all banks.
__device__ int tile_word(int col, int eight) { return col * kAcross + (eight ^ (col / kEight)); }

template <class Scheme, class T, bool kAligned>
__global__ void __launch_bounds__(kThreads, 2)
    quantize_tiles(Plain<T> source, Scheme along_rows, Scheme along_cols, Sides sides) {
  __shared__ uint2 transposed[kTile * kAcross];
  __shared__ Amax of_warp[kWarps][kTile];
  __shared__ Divisor of_col[kTile];
  // From the last tile to the first: after a scan, what it read last is in the cache.
  const unsigned tile = sides.scanned ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  const unsigned tile_row = tile / sides.tiles_across;
  const unsigned tile_col = tile - tile_row * sides.tiles_across;
  const int across = threadIdx.x % kAcross;
  const int down = threadIdx.x / kAcross;
  const std::int64_t row = std::int64_t{tile_row} * kTile + down * kEight;
  const std::int64_t col = std::int64_t{tile_col} * kTile + across * kEight;
  const int rows =
      static_cast<int>(max(min(sides.rows - row, std::int64_t{kEight}), std::int64_t{0}));
  const int cols =
      static_cast<int>(max(min(sides.cols - col, std::int64_t{kEight}), std::int64_t{0}));

  Eight<T> values[kEight];
#pragma unroll
  for (int i = 0; i < kEight; ++i) {
    if (i < rows && cols > 0) {
      values[i] = source.template load<kAligned, Reuse::kNone>(row + i, col, cols);
    } else {
      values[i] = {};
    }
  }

  if (!sides.scanned) {
    Amax found[kEight];
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
#pragma unroll
      for (int i = 0; i < kEight; ++i) found[j].add(values[i].at(j));
      found[j].merge(found[j].from_lane(kAcross));
    }
    if (threadIdx.x % kWarp < kAcross) {
#pragma unroll
      for (int j = 0; j < kEight; ++j) {
        of_warp[threadIdx.x / kWarp][across * kEight + j] = found[j];
      }
    }
  }
  __syncthreads();
  const std::int64_t own_col = std::int64_t{tile_col} * kTile + threadIdx.x;
  if (threadIdx.x < kTile && own_col < sides.cols) {
    typename Scheme::Encoding encoding;
    if (sides.scanned) {
      encoding = along_cols.stored(own_col);
    } else {
      Amax found;
#pragma unroll
      for (int i = 0; i < kWarps; ++i) found.merge(of_warp[i][threadIdx.x]);
      const std::int64_t groups = (sides.rows + kTile - 1) / kTile;
      encoding = along_cols.finish(found, own_col * groups + tile_row, true);
    }
    of_col[threadIdx.x] = encoding.divisor;
  }

  // Along the rows, meanwhile: every lane makes the parameters of one row of the thread's eight.
  const int own = across % kEight;
  const std::int64_t own_row = row + own;
  typename Scheme::Encoding of_row;
  if (sides.scanned) {
    of_row = along_rows.stored(min(own_row, sides.rows - 1));
  } else {
    Amax own_found;
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      Amax found;
      found.add(values[i]);
#pragma unroll
      for (int distance = 1; distance < kAcross; distance *= 2) {
        found.merge(found.from_lane(distance));
      }
      if (own == i) own_found = found;
    }
    of_row = along_rows.finish(own_found, own_row * sides.tiles_across + tile_col,
                               across < kEight && own_row < sides.rows);
  }
#pragma unroll
  for (int i = 0; i < kEight; ++i) {
    const auto encoding =
        along_rows.encoding_of({__shfl_sync(kAllLanes, of_row.divisor.value, i, kAcross),
                                __shfl_sync(kAllLanes, of_row.divisor.reciprocal, i, kAcross)});
    if (i < rows && cols > 0) {
      store_codes<8, kAligned>(sides.codes + (row + i) * sides.cols + col,
                               encode_eight(along_rows, values[i], encoding), cols);
    }
  }
  __syncthreads();

#pragma unroll
  for (int j = 0; j < kEight; ++j) {
    const int in_tile = across * kEight + j;
    const auto encoding = along_cols.encoding_of(of_col[in_tile]);
    transposed[tile_word(in_tile, down)] = encode_each(
        along_cols, [&](int i) { return values[i].at(j); }, [&](int) { return encoding; });
  }
  __syncthreads();

  // Eight columns a thread: half a warp stores the 128 bytes of one.
#pragma unroll
  for (int j = 0; j < kEight; ++j) {
    const int in_tile = j * kAcross + down;
    const std::int64_t out_row = std::int64_t{tile_col} * kTile + in_tile;
    const std::int64_t out_col = std::int64_t{tile_row} * kTile + across * kEight;
    const auto left = static_cast<int>(min(sides.rows - out_col, std::int64_t{kEight}));
    if (out_row >= sides.cols || left <= 0) continue;
    const uint2 words = transposed[tile_word(in_tile, across)];
    store_codes<8, kAligned>(sides.codes_t + out_row * sides.rows + out_col,
                             EightCodes<8>{{words.x, words.y}}, left);
  }
}

template <class Scheme, class T, bool kAligned>
void launch(const QuantizeFp8BothArgs& args, const Scheme& along_rows, const Scheme& along_cols) {
  auto* stream = static_cast<cudaStream_t>(args.stream);
  const Plain<T> source(args.x);
  const std::int64_t rows = args.x.rows;
  const std::int64_t cols = args.x.cols;
  const std::int64_t tiles_across = (cols + kTile - 1) / kTile;
  const std::int64_t tiles_down = (rows + kTile - 1) / kTile;
  const bool whole = args.group_size == -1;
  if (whole) {
    const Strips strips(rows, cols);
    auto* of_columns = static_cast<Amax*>(args.workspace);
    Amax* of_rows = of_columns + strips.down * cols;
    scan_strips<Amax, Plain<T>, true, kAligned>
        <<<strips.tiles(), kStripWarps * kWarp, 0, stream>>>(source, strips, of_columns, of_rows);
    const Finishing<Scheme> columns{along_cols, of_columns, cols, strips.down};
    const Finishing<Scheme> of_row{along_rows, of_rows, rows, strips.across};
    const std::int64_t longest = rows > cols ? rows : cols;
    const dim3 grid(static_cast<unsigned>((longest + kWarp - 1) / kWarp), 2);
    finish_parts<Scheme><<<grid, kStripWarps * kWarp, 0, stream>>>(columns, of_row);
  }
  const Sides sides{rows, cols, args.codes, args.codes_t, static_cast<unsigned>(tiles_across),
                    whole};
  quantize_tiles<Scheme, T, kAligned>
      <<<static_cast<unsigned>(tiles_across * tiles_down), kThreads, 0, stream>>>(
          source, along_rows, along_cols, sides);
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
  const Strips strips(rows, cols);
  return static_cast<std::int64_t>(sizeof(Amax)) * (strips.down * cols + strips.across * rows);
}

const char* quantize_fp8_both_cuda(const QuantizeFp8BothArgs& args) {
  if (args.x.rows == 0 || args.x.cols == 0) return nullptr;
  const bool aligned = has_vectors(args.x) && args.x.rows % kEight == 0 &&
                       is_aligned(args.codes, 8) && is_aligned(args.codes_t, 8);
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
