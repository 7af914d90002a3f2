// Quantization in blocks on the GPU: every block's range is found, its parameters are made of it,
// its elements encoded. What differs between formats is a Scheme:
//   Found                      what a scan finds: Amax or Extremes
//   kBits                      of a code, 8 or 4
//   scans()                    false if the parameters are given and no range is needed
//   Encoding finish(found, index, stores)   parameters of block `index`, stored by one thread
//   Encoding stored(index)                  the same, from what an earlier kernel stored
//   Encoding from_lane(encoding, lane, width)   another lane's, as __shfl_sync has it
//   Encoding prepared(encoding)   what encode_pair<false> takes
//   encode_pair<kFast>(even, odd, encoding, encoding)   two codes, the first in the lower bits;
//                              kFast only where both encodings are `fast`
// Where elements come from is a Source: a Raw of eight elements at a place, and what becomes of it.
// A product behind them may begin as soon as the last thread blocks have: it asks for its weight.
#pragma once

#include <numeric>

#include "kernels/quantize_common/cuda_launch.h"
#include "kernels/quantize_common/cuda_range.h"

namespace lowp::kernels {

// A matrix in memory.
template <class T>
struct Plain {
  using Element = T;
  using Raw = Eight<T>;
  static constexpr int kBytes = sizeof(Scalar<T>);  // loaded for an element

  const Scalar<T>* x;
  std::int64_t stride;

  explicit Plain(const Matrix& matrix)
      : x(static_cast<const Scalar<T>*>(matrix.data)), stride(matrix.stride) {}

  template <bool kAligned, Reuse kReuse>
  __device__ Raw load(std::int64_t row, std::int64_t col, int count) const {
    return load_eight<T, kAligned, kReuse>(x + row * stride + col, count);
  }
  __device__ Eight<T> finish(const Raw& raw) const { return raw; }
  bool is_contiguous(std::int64_t cols) const { return stride == cols; }
};

// value(i), i < 8, with one encoding; it is prepared if kFast does not hold.
template <bool kFast, class Scheme, class Values>
__device__ EightCodes<Scheme::kBits> encode_values(const Scheme& scheme, const Values& value,
                                                   const typename Scheme::Encoding& encoding) {
  constexpr int kPairBits = 2 * Scheme::kBits;
  EightCodes<Scheme::kBits> codes{};
#pragma unroll
  for (int i = 0; i < kEight; i += 2) {
    const unsigned pair =
        scheme.template encode_pair<kFast>(value(i), value(i + 1), encoding, encoding);
    codes.words[i / 2 * kPairBits / 32] |= pair << i / 2 * kPairBits % 32;
  }
  return codes;
}

template <class Scheme, class T>
__device__ EightCodes<Scheme::kBits> encode_eight(const Scheme& scheme, const Eight<T>& x,
                                                  const typename Scheme::Encoding& encoding) {
  const auto value = [&](int i) { return x.at(i); };
  if (encoding.fast) return encode_values<true>(scheme, value, encoding);
  return encode_values<false>(scheme, value, scheme.prepared(encoding));
}

// The blocks of one launch: `first_row` is that of the first block, which has index `first`.
struct BlockLaunch {
  std::int64_t rows;  // of the matrix
  std::int64_t cols;
  Block block;
  std::int64_t first_row;
  std::int64_t first;
  std::uint32_t count;  // blocks
  Divider across;       // blocks side by side
  Divider vectors;      // eights across a block
  std::uint8_t* codes;  // of the whole matrix
};

template <int kBits>
__device__ std::uint8_t* code_at(const BlockLaunch& launch, std::int64_t row, std::int64_t col) {
  return launch.codes + (row * launch.cols + col) * kBits / 8;
}

// A block's rectangle, and the index of its parameters.
struct BlockSpan {
  std::int64_t row;
  std::int64_t col;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t index;
};

__device__ inline BlockSpan span_of(const BlockLaunch& launch, std::uint32_t block) {
  const std::uint32_t down = launch.across.divide(block);
  const std::int64_t row = launch.first_row + down * launch.block.rows;
  const std::int64_t col = (block - down * launch.across.divisor) * launch.block.cols;
  return {row, col, min(launch.block.rows, launch.rows - row),
          min(launch.block.cols, launch.cols - col), launch.first + block};
}

// Eight elements: where they are, and how many of them there are.
struct Place {
  std::int64_t row;
  std::int64_t col;
  int count;  // 0 if there are none
};

inline constexpr int kSmallThreads = 256;

// kFlat: the blocks lie side by side without a gap, each of them whole, so that the matrix is one
// row.
template <bool kAligned, bool kFlat>
__device__ Place small_place(const BlockLaunch& launch, std::uint32_t block, std::uint32_t lane,
                             int lanes_log2) {
  if constexpr (kFlat) {
    const std::int64_t first = (launch.first + block) << lanes_log2;
    return {0, (first + lane) * kEight, block < launch.count ? kEight : 0};
  }
  const BlockSpan span = span_of(launch, block);
  const int left =
      block < launch.count ? static_cast<int>(span.cols) - static_cast<int>(lane) * 8 : 0;
  return {span.row, span.col + lane * kEight,
          left <= 0 ? 0 : (kAligned || left > kEight ? kEight : left)};
}

// Blocks of one row and at most 256 columns: 2^lanes_log2 lanes of a warp each, kVectors at least.
template <class Scheme, class Source, int kVectors, bool kAligned, bool kFlat>
__global__ void __launch_bounds__(kSmallThreads)
    quantize_small(Source source, Scheme scheme, BlockLaunch launch, int lanes_log2) {
  start_next_kernel();
  const std::uint32_t first = blockIdx.x * (kSmallThreads * kVectors) + threadIdx.x;
  const int lanes = 1 << lanes_log2;
  const auto lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const auto block_of = [&](int i) { return (first + i * kSmallThreads) >> lanes_log2; };
  Place places[kVectors];
  typename Source::Raw raw[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    places[i] = small_place<kAligned, kFlat>(launch, block_of(i), lane, lanes_log2);
    if (places[i].count > 0) {
      raw[i] = source.template load<kAligned, Reuse::kNone>(places[i].row, places[i].col,
                                                            places[i].count);
    }
  }

  Eight<typename Source::Element> values[kVectors];
  typename Scheme::Found found[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (places[i].count == 0) continue;
    values[i] = source.finish(raw[i]);
    found[i].add(values[i]);
  }
  for (int distance = 1; distance < lanes; distance *= 2) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) found[i].merge(found[i].from_lane(distance));
  }

  // Every lane makes the parameters of one of its kVectors blocks, not of all.
  const int own = lane % kVectors;
  typename Scheme::Found own_found = found[0];
#pragma unroll
  for (int i = 1; i < kVectors; ++i) {
    if (own == i) own_found = found[i];
  }
  const std::uint32_t own_block = block_of(own);
  const auto own_encoding =
      scheme.finish(own_found, launch.first + min(own_block, launch.count - 1),
                    lane < kVectors && own_block < launch.count);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const auto encoding = scheme.from_lane(own_encoding, i, lanes);
    if (places[i].count == 0) continue;
    store_codes<Scheme::kBits, kAligned>(
        code_at<Scheme::kBits>(launch, places[i].row, places[i].col),
        encode_eight(scheme, values[i], encoding), places[i].count);
  }
}

// A block a thread block, held in registers, read once: all loads in flight before the first use.
// Aligned only. A thread of a block of several rows stays in its column.
template <bool kOneRow>
inline constexpr int kResidentThreads = kOneRow ? 1024 : 256;

template <class Scheme, class Source, int kVectors, bool kOneRow>
__global__ void __launch_bounds__(kResidentThreads<kOneRow>)
    quantize_resident(Source source, Scheme scheme, BlockLaunch launch) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
  start_next_kernel();
  const BlockSpan span = span_of(launch, blockIdx.x);
  const auto rows = static_cast<int>(span.rows);
  const auto cols = static_cast<int>(span.cols);
  const auto threads = static_cast<int>(blockDim.x);
  const auto thread = static_cast<int>(threadIdx.x);
  const int across = static_cast<int>(launch.vectors.divisor);
  const int first_row = kOneRow ? 0 : static_cast<int>(launch.vectors.divide(thread));
  const int first_col = (thread - first_row * across) * kEight;
  const int row_step = kOneRow ? 0 : static_cast<int>(launch.vectors.divide(threads));
  const int col_step = kOneRow ? threads * kEight : 0;
  const auto is_inside = [&](int i) {
    return kOneRow ? first_col + i * col_step < cols
                   : first_row + i * row_step < rows && first_col < cols;
  };
  const auto col_of = [&](int i) { return span.col + first_col + i * col_step; };
  const auto row_of = [&](int i) { return span.row + first_row + i * row_step; };
  typename Source::Raw raw[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (is_inside(i)) {
      raw[i] = source.template load<true, Reuse::kNone>(row_of(i), col_of(i), kEight);
    }
  }

  Eight<typename Source::Element> values[kVectors];
  typename Scheme::Found found;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!is_inside(i)) continue;
    values[i] = source.finish(raw[i]);
    found.add(values[i]);
  }
  const auto encoding =
      scheme.finish(of_thread_block(found, of_warp), span.index, threadIdx.x == 0);

#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!is_inside(i)) continue;
    store_codes<Scheme::kBits, true>(code_at<Scheme::kBits>(launch, row_of(i), col_of(i)),
                                     encode_eight(scheme, values[i], encoding), kEight);
  }
}

// Blocks that do not fit into registers, and those that are not aligned: a thread block each, read
// twice.
inline constexpr int kLargeThreads = 512;

template <class Scheme, class Source, bool kAligned>
__global__ void __launch_bounds__(kLargeThreads)
    quantize_large(Source source, Scheme scheme, BlockLaunch launch) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
  start_next_kernel();
  const BlockSpan span = span_of(launch, blockIdx.x);
  const std::int64_t across = (span.cols + kEight - 1) / kEight;
  const auto for_each = [&](const auto& body) {
    std::int64_t row = 0;
    std::int64_t vector = threadIdx.x;
    for (;; vector += blockDim.x) {
      for (; vector >= across; vector -= across) ++row;
      if (row >= span.rows) return;
      const std::int64_t col = vector * kEight;
      const int count = static_cast<int>(min(std::int64_t{kEight}, span.cols - col));
      body(span.row + row, span.col + col, count,
           source.finish(source.template load<kAligned, Reuse::kSoon>(span.row + row,
                                                                      span.col + col, count)));
    }
  };
  typename Scheme::Found found;
  if (scheme.scans()) {
    for_each([&](std::int64_t, std::int64_t, int, const auto& values) { found.add(values); });
  }
  const auto encoding =
      scheme.finish(of_thread_block(found, of_warp), span.index, threadIdx.x == 0);
  for_each([&](std::int64_t row, std::int64_t col, int count, const auto& values) {
    store_codes<Scheme::kBits, kAligned>(code_at<Scheme::kBits>(launch, row, col),
                                         encode_eight(scheme, values, encoding), count);
  });
}

// Launches of one geometry.
template <class Scheme, class Source, bool kAligned>
struct BlockKernels {
  const Source& source;
  const Scheme& scheme;
  BlockLaunch launch;
  cudaStream_t stream;

  // Vectors a thread: 128 bytes where blocks are wide.
  static constexpr int kMost = 16 / Source::kBytes;
  // Not of two matrices of fp32, which need more registers than there are; int4 has rows alone.
  static constexpr bool kSeveralRows = Source::kBytes < 8 && Scheme::kBits == 8;

  std::int64_t vectors() const {
    return launch.block.rows * static_cast<std::int64_t>(launch.vectors.divisor);
  }

  void run() const {
    const bool one_row = launch.block.rows == 1;
    if (one_row && launch.block.cols <= kWarp * kEight) {
      small<false>();
    } else if (!kAligned || !(one_row ? resident<true>() : resident<false>())) {
      const unsigned threads = vectors() < kLargeThreads ? 128 : kLargeThreads;
      quantize_large<Scheme, Source, kAligned>
          <<<launch.count, threads, 0, stream>>>(source, scheme, launch);
    }
  }

  // False if the block does not fit.
  template <bool kOneRow>
  bool resident() const {
    if constexpr (kAligned && (kOneRow || kSeveralRows)) {
      if (vectors() > kMost * 128) return resident_with<kMost, kOneRow>();
      if (vectors() > 128) return resident_with<kMost / 2, kOneRow>();
      return resident_with<1, kOneRow>();
    }
    return false;
  }

  template <int kVectors, bool kOneRow>
  bool resident_with() const {
    const std::int64_t step =
        kOneRow ? kWarp : std::lcm<std::int64_t>(kWarp, launch.vectors.divisor);
    const std::int64_t threads = (vectors() + kVectors * step - 1) / (kVectors * step) * step;
    if (threads > kResidentThreads<kOneRow>) return false;
    quantize_resident<Scheme, Source, kVectors, kOneRow>
        <<<launch.count, static_cast<unsigned>(threads), 0, stream>>>(source, scheme, launch);
    return true;
  }

  template <bool kFlat>
  void small() const {
    int lanes_log2 = 0;
    while ((1U << lanes_log2) < launch.vectors.divisor) ++lanes_log2;
    constexpr int kVectors = kMost / 2;
    if (kAligned && (1 << lanes_log2) >= kVectors) {
      small_with<kAligned ? kVectors : 1, kAligned, kFlat>(lanes_log2);
    } else {
      small_with<1, false, false>(lanes_log2);
    }
  }

  template <int kVectors, bool kVector, bool kFlat>
  void small_with(int lanes_log2) const {
    const std::int64_t threads = static_cast<std::int64_t>(launch.count) << lanes_log2;
    constexpr std::int64_t kAtOnce = kSmallThreads * kVectors;
    quantize_small<Scheme, Source, kVectors, kVector, kFlat>
        <<<static_cast<unsigned>((threads + kAtOnce - 1) / kAtOnce), kSmallThreads, 0, stream>>>(
            source, scheme, launch, lanes_log2);
  }
};

// Whole blocks of a row that lie side by side from the first row to the last, of 2^n vectors.
inline bool is_flat(std::int64_t cols, Block block, bool contiguous, bool aligned) {
  const std::int64_t vectors = block.cols / kEight;
  return contiguous && aligned && block.rows == 1 && cols % block.cols == 0 && vectors >= 4 &&
         vectors <= kWarp && (vectors & (vectors - 1)) == 0;
}

// Quantizes the blocks of a (rows, cols) matrix. Launches of at most 2^25 blocks: what they count
// with are 32-bit numbers.
template <class Scheme, class Source>
void quantize_in_blocks(const Source& source, const Scheme& scheme, std::int64_t rows,
                        std::int64_t cols, Block block, bool aligned, std::uint8_t* codes,
                        cudaStream_t stream) {
  constexpr std::int64_t kMostBlocks = std::int64_t{1} << 25;
  block = {block.rows < rows ? block.rows : rows, block.cols < cols ? block.cols : cols};
  const std::int64_t across = (cols + block.cols - 1) / block.cols;
  const std::int64_t down = (rows + block.rows - 1) / block.rows;
  // A block that starts anywhere, or is not whole vectors, is read element by element.
  aligned = aligned && block.cols % kEight == 0;
  const bool flat = is_flat(cols, block, source.is_contiguous(cols), aligned);
  // Rows of blocks of a launch; where all are one row, blocks.
  const std::int64_t each = flat ? 1 : across;
  const std::int64_t all = flat ? across * down : down;
  const std::int64_t at_once = each < kMostBlocks ? kMostBlocks / each : 1;
  for (std::int64_t first = 0; first < all; first += at_once) {
    const std::int64_t count = all - first < at_once ? all - first : at_once;
    const BlockLaunch launch{rows,
                             cols,
                             block,
                             first * block.rows,
                             first * each,
                             static_cast<std::uint32_t>(count * each),
                             Divider(across),
                             Divider((block.cols + kEight - 1) / kEight),
                             codes};
    if (flat) {
      BlockKernels<Scheme, Source, true>{source, scheme, launch, stream}.template small<true>();
    } else if (aligned) {
      BlockKernels<Scheme, Source, true>{source, scheme, launch, stream}.run();
    } else {
      BlockKernels<Scheme, Source, false>{source, scheme, launch, stream}.run();
    }
  }
}

}  // namespace lowp::kernels
