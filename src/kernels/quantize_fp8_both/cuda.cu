// A thread block takes tiles of 128x128: a thread eight rows of eight columns, in registers. Codes
// of rows are stored from there. Those of columns go through shared memory, eight rows of a column
// in eight bytes, and leave it as rows of the transposed matrix. Meanwhile the next tile is on its
// way into shared memory, each thread's part for itself, so that it needs no barrier.
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/cuda_scheme.h"
#include "kernels/quantize_fp8_both/cuda.h"

namespace lowp::kernels {
namespace {

constexpr int kTile = 128;
constexpr int kAcross = kTile / kEight;  // threads side by side: half of a warp
constexpr int kThreads = kAcross * kAcross;
constexpr int kWarps = kThreads / kWarp;

// fp32 takes the registers of two thread blocks, and twice the shared memory.
template <class T>
inline constexpr bool kPrefetches = !std::is_same_v<T, Fp32>;
template <class T>
inline constexpr int kThreadBlocks = kPrefetches<T> ? 3 : 2;
constexpr unsigned kMultiprocessors = 132;

struct Sides {
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* codes;
  std::uint8_t* codes_t;
  unsigned tiles_across;
  unsigned tiles;
  bool scanned;  // the scales of whole rows and columns are stored already
};

// Where eight bytes of a column lie in the transposed tile: moved so that half a warp, which writes
// every eighth column, meets all banks.
__device__ int tile_word(int col, int eight) { return col * kAcross + (eight ^ (col / kEight)); }

template <class T>
struct Shared {
  // Eight rows of the next tile, eight columns a thread.
  uint4 next[kPrefetches<T> ? kEight : 1][kThreads];
  uint2 transposed[kTile * kAcross];
  Eight<T> of_warp[kWarps][kAcross];  // amax of columns, as bits in x's own type
  Divisor of_col[kTile];
};

// A thread's part of a tile.
struct Part {
  unsigned tile_row;
  unsigned tile_col;
  std::int64_t row;
  std::int64_t col;
  int rows;
  int cols;

  __device__ Part(const Sides& sides, unsigned tile) {
    tile_row = tile / sides.tiles_across;
    tile_col = tile - tile_row * sides.tiles_across;
    row = std::int64_t{tile_row} * kTile + threadIdx.x / kAcross * kEight;
    col = std::int64_t{tile_col} * kTile + threadIdx.x % kAcross * kEight;
    rows = static_cast<int>(max(min(sides.rows - row, std::int64_t{kEight}), std::int64_t{0}));
    cols = static_cast<int>(max(min(sides.cols - col, std::int64_t{kEight}), std::int64_t{0}));
  }
};

// Copies to shared memory without a register, or writes zeros. Completes in the order of commits.
__device__ void copy_async(void* shared, const void* global, bool valid) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
}

template <class T>
__device__ void fetch(Shared<T>& shared, const Plain<T>& source, const Part& part) {
  const Scalar<T>* from = source.x + part.row * source.stride + part.col;
#pragma unroll
  for (int i = 0; i < kEight; ++i, from += source.stride) {
    const bool valid = i < part.rows && part.cols > 0;
    copy_async(&shared.next[i][threadIdx.x], valid ? from : source.x, valid);
  }
}

template <class T>
__device__ void take(const Shared<T>& shared, Eight<T> (&values)[kEight]) {
  asm volatile("cp.async.wait_all;" ::: "memory");
#pragma unroll
  for (int i = 0; i < kEight; ++i) {
    const uint4 words = shared.next[i][threadIdx.x];
    values[i] = {{words.x, words.y, words.z, words.w}};
  }
}

// Of a word that holds one amax, or the two of 16-bit elements.
template <class T>
__device__ Amax amax_in_word(unsigned word, unsigned which) {
  const Eight<T> eight{{which == 0 ? word : word >> 16}};
  return {__float_as_uint(eight.at(0))};
}

// The amax of each of the thread's rows over its eight columns and those of half a warp, of which
// the lane keeps row `lane % 8`.
template <class T>
__device__ Amax own_row_amax(const Eight<T> (&values)[kEight]) {
  using Each = EachOfEight<Amax, T>;
  // Of rows as of columns: two in a word where they fit.
  Each of_rows;
  if constexpr (std::is_same_v<T, Fp32>) {
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
#pragma unroll
      for (const unsigned word : values[i].words) {
        of_rows.amax.words[i] = max(of_rows.amax.words[i], Each::magnitude(word));
      }
    }
  } else {
    unsigned pairs[kEight] = {};
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
#pragma unroll
      for (const unsigned word : values[i].words) {
        pairs[i] = Each::larger(pairs[i], Each::magnitude(word));
      }
    }
#pragma unroll
    for (int i = 0; i < kEight; i += 2) {
      const unsigned low = __byte_perm(pairs[i], pairs[i + 1], 0x5410);
      const unsigned high = __byte_perm(pairs[i], pairs[i + 1], 0x7632);
      of_rows.amax.words[i / 2] = Each::larger(low, high);
    }
  }
#pragma unroll
  for (int distance = 1; distance < kAcross; distance *= 2) of_rows.merge_lane(distance);
  constexpr unsigned kInWord = kEight / Eight<T>::kWords;
  const unsigned own = threadIdx.x % kEight;
  unsigned word = of_rows.amax.words[0];
#pragma unroll
  for (unsigned i = 1; i < Eight<T>::kWords; ++i) {
    if (own / kInWord == i) word = of_rows.amax.words[i];
  }
  return amax_in_word<T>(word, own % kInWord);
}

// The amax of column `threadIdx.x` over all warps.
template <class T>
__device__ Amax column_amax(const Shared<T>& shared) {
  constexpr int kInWord = kEight / Eight<T>::kWords;
  unsigned word = 0;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) {
    const auto* words = &shared.of_warp[i][0].words[0];
    word = EachOfEight<Amax, T>::larger(word, words[threadIdx.x / kInWord]);
  }
  return amax_in_word<T>(word, threadIdx.x % kInWord);
}

template <class Scheme, class T, bool kAligned>
__device__ void quantize_tile(const Scheme& along_rows, const Scheme& along_cols,
                              const Sides& sides, const Part& part, Shared<T>& shared,
                              const Eight<T> (&values)[kEight]) {
  const int across = threadIdx.x % kAcross;
  const int down = threadIdx.x / kAcross;
  const auto [tile_row, tile_col, row, col, rows, cols] = part;
  if (!sides.scanned) {
    EachOfEight<Amax, T> found;
#pragma unroll
    for (int i = 0; i < kEight; ++i) found.add(values[i]);
    found.merge_lane(kAcross);
    if (threadIdx.x % kWarp < kAcross) shared.of_warp[threadIdx.x / kWarp][across] = found.amax;
  }
  __syncthreads();
  const std::int64_t own_col = std::int64_t{tile_col} * kTile + threadIdx.x;
  bool own_fast = true;
  if (threadIdx.x < kTile && own_col < sides.cols) {
    typename Scheme::Encoding encoding;
    if (sides.scanned) {
      encoding = along_cols.stored(own_col);
    } else {
      const std::int64_t groups = (sides.rows + kTile - 1) / kTile;
      encoding = along_cols.finish(column_amax(shared), own_col * groups + tile_row, true);
    }
    shared.of_col[threadIdx.x] = encoding.divisor;
    own_fast = encoding.fast;
  }

  // Along the rows, meanwhile: every lane makes the parameters of one row of the thread's eight.
  const std::int64_t own_row = row + across % kEight;
  const auto of_row = sides.scanned ? along_rows.stored(min(own_row, sides.rows - 1))
                                    : along_rows.finish(own_row_amax(values),
                                                        own_row * sides.tiles_across + tile_col,
                                                        across < kEight && own_row < sides.rows);
  // Branches apart for a warp's rows and a tile's columns: within one, the eights overlap.
  const auto store_rows = [&]<bool kFast>(std::bool_constant<kFast>) {
    std::uint8_t* codes = sides.codes + row * sides.cols + col;
#pragma unroll
    for (int i = 0; i < kEight; ++i, codes += sides.cols) {
      auto encoding = along_rows.from_lane(of_row, i, kAcross);
      if constexpr (!kFast) encoding = along_rows.prepared(encoding);
      if (i >= rows || cols == 0) continue;
      const auto value = [&](int j) { return values[i].at(j); };
      store_codes<8, kAligned>(codes, encode_values<kFast>(along_rows, value, encoding), cols);
    }
  };
  if (__all_sync(kAllLanes, of_row.fast)) {
    store_rows(std::true_type{});
  } else {
    store_rows(std::false_type{});
  }

  const auto transpose = [&]<bool kFast>(std::bool_constant<kFast>) {
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      const int in_tile = across * kEight + j;
      auto encoding = along_cols.encoding_of(shared.of_col[in_tile]);
      if constexpr (!kFast) encoding = along_cols.prepared(encoding);
      const auto value = [&](int i) { return values[i].at(j); };
      const auto codes = encode_values<kFast>(along_cols, value, encoding);
      shared.transposed[tile_word(in_tile, down)] = {codes.words[0], codes.words[1]};
    }
  };
  if (__syncthreads_and(own_fast)) {
    transpose(std::true_type{});
  } else {
    transpose(std::false_type{});
  }
  __syncthreads();

  // Eight columns a thread: half a warp stores the 128 bytes of one.
  const std::int64_t first = std::int64_t{tile_col} * kTile + down;
  const std::int64_t start = std::int64_t{tile_row} * kTile + across * kEight;
  const auto left = static_cast<int>(min(sides.rows - start, std::int64_t{kEight}));
  std::uint8_t* codes_t = sides.codes_t + first * sides.rows + start;
#pragma unroll
  for (int j = 0; j < kEight; ++j, codes_t += kAcross * sides.rows) {
    if (first + j * kAcross >= sides.cols || left <= 0) continue;
    const uint2 words = shared.transposed[tile_word(j * kAcross + down, across)];
    store_codes<8, kAligned>(codes_t, EightCodes<8>{{words.x, words.y}}, left);
  }
}

// Thread blocks that an H100 holds at once take the tiles in turn.
template <class Scheme, class T, bool kAligned>
__global__ void __launch_bounds__(kThreads, kAligned ? kThreadBlocks<T> : 2)
    quantize_tiles(Plain<T> source, Scheme along_rows, Scheme along_cols, Sides sides) {
  extern __shared__ uint4 memory[];
  auto& shared = *reinterpret_cast<Shared<T>*>(memory);
  // From the last tile to the first: after a scan, what it read last is in the cache.
  const auto part_of = [&](unsigned i) { return Part(sides, sides.tiles - 1 - i); };
  if constexpr (kAligned && kPrefetches<T>) fetch(shared, source, part_of(blockIdx.x));
  for (unsigned i = blockIdx.x; i < sides.tiles; i += gridDim.x) {
    const Part part = part_of(i);
    Eight<T> values[kEight];
    if constexpr (kAligned && kPrefetches<T>) {
      take(shared, values);
      if (i + gridDim.x < sides.tiles) fetch(shared, source, part_of(i + gridDim.x));
    } else {
#pragma unroll
      for (int j = 0; j < kEight; ++j) {
        values[j] = {};
        if (j < part.rows && part.cols > 0) {
          values[j] =
              source.template load<kAligned, Reuse::kNone>(part.row + j, part.col, part.cols);
        }
      }
    }
    quantize_tile<Scheme, T, kAligned>(along_rows, along_cols, sides, part, shared, values);
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
  const Sides sides{rows,
                    cols,
                    args.codes,
                    args.codes_t,
                    static_cast<unsigned>(tiles_across),
                    static_cast<unsigned>(tiles_across * tiles_down),
                    whole};
  constexpr unsigned kMost = kMultiprocessors * kThreadBlocks<T>;
  const unsigned blocks = std::min(sides.tiles, kMost);
  const auto kernel = quantize_tiles<Scheme, T, kAligned>;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared<T>));
  kernel<<<blocks, kThreads, sizeof(Shared<T>), stream>>>(source, along_rows, along_cols, sides);
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
