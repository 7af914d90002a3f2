// Quantization in blocks on the GPU: every block's range is found, its parameters are made of it,
// its elements encoded. What differs between formats is a Scheme:
//   Found                      what a scan finds: Amax or Extremes
//   kBits                      of a code, 8 or 4
//   scans()                    false if the parameters are given and no range is needed
//   Encoding finish(found, index, stores)   parameters of block `index`, stored by one thread
//   Encoding stored(index)                  the same, from what an earlier kernel stored
//   encode_pair<kFast>(even, odd, encoding, encoding)   two codes, the first in the lower bits;
//                              kFast only where both encodings are `fast`
// Where elements come from is a Source: a Raw of eight elements at a place, and what becomes of it.
#pragma once

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
};

template <class Scheme, class T>
__device__ EightCodes<Scheme::kBits> encode_eight(const Scheme& scheme, const Eight<T>& x,
                                                  const typename Scheme::Encoding& encoding) {
  constexpr int kPairBits = 2 * Scheme::kBits;
  EightCodes<Scheme::kBits> codes{};
  const auto all = [&]<bool kFast>(std::bool_constant<kFast>) {
#pragma unroll
    for (int i = 0; i < kEight; i += 2) {
      const unsigned pair =
          scheme.template encode_pair<kFast>(x.at(i), x.at(i + 1), encoding, encoding);
      codes.words[i / 2 * kPairBits / 32] |= pair << i / 2 * kPairBits % 32;
    }
  };
  if (encoding.fast) {
    all(std::true_type{});
  } else {
    all(std::false_type{});
  }
  return codes;
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

// Eight elements of a block: where they are within it, and how many of them there are.
struct Place {
  std::int64_t row;
  std::int64_t col;
  int count;  // 0 if there are none
};

template <bool kOneRow>
__device__ Place place_of(const BlockLaunch& launch, const BlockSpan& span, std::uint32_t vector) {
  const std::uint32_t row = kOneRow ? 0 : launch.vectors.divide(vector);
  const std::uint32_t col = (kOneRow ? vector : vector - row * launch.vectors.divisor) * kEight;
  const bool inside = row < span.rows && col < span.cols;
  return {span.row + row, span.col + col,
          inside ? static_cast<int>(min(std::int64_t{kEight}, span.cols - col)) : 0};
}

inline constexpr int kSmallThreads = 256;

// Blocks of one row and at most 256 columns: 2^lanes_log2 lanes of a warp each.
template <class Scheme, class Source, int kVectors, bool kAligned>
__global__ void __launch_bounds__(kSmallThreads)
    quantize_small(Source source, Scheme scheme, BlockLaunch launch, int lanes_log2) {
  const std::uint32_t lanes = 1U << lanes_log2;
  const std::uint32_t first = blockIdx.x * (kSmallThreads * kVectors) + threadIdx.x;
  Place places[kVectors];
  typename Source::Raw raw[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const std::uint32_t index = first + i * kSmallThreads;
    const std::uint32_t block = index >> lanes_log2;
    places[i] = place_of<true>(launch, span_of(launch, block), index & (lanes - 1));
    if (block >= launch.count) places[i].count = 0;
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
  for (std::uint32_t distance = 1; distance < lanes; distance *= 2) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) found[i].merge(found[i].from_lane(distance));
  }

#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const std::uint32_t index = first + i * kSmallThreads;
    if (places[i].count == 0) continue;
    const auto encoding =
        scheme.finish(found[i], launch.first + (index >> lanes_log2), (index & (lanes - 1)) == 0);
    store_codes<Scheme::kBits, kAligned>(
        code_at<Scheme::kBits>(launch, places[i].row, places[i].col),
        encode_eight(scheme, values[i], encoding), places[i].count);
  }
}

// A block a thread block, held in registers, read once: all loads in flight before the first use.
// Aligned only. Several rows need registers for where a vector is, and get half as many threads.
template <bool kOneRow>
inline constexpr int kResidentThreads = kOneRow ? 1024 : 512;

template <class Scheme, class Source, int kVectors, bool kOneRow>
__global__ void __launch_bounds__(kResidentThreads<kOneRow>)
    quantize_resident(Source source, Scheme scheme, BlockLaunch launch) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
  const BlockSpan span = span_of(launch, blockIdx.x);
  typename Source::Raw raw[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Place place = place_of<kOneRow>(launch, span, threadIdx.x + i * blockDim.x);
    if (place.count > 0) {
      raw[i] = source.template load<true, Reuse::kNone>(place.row, place.col, place.count);
    }
  }

  Eight<typename Source::Element> values[kVectors];
  typename Scheme::Found found;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Place place = place_of<kOneRow>(launch, span, threadIdx.x + i * blockDim.x);
    if (place.count == 0) continue;
    values[i] = source.finish(raw[i]);
    found.add(values[i]);
  }
  const auto encoding =
      scheme.finish(of_thread_block(found, of_warp), span.index, threadIdx.x == 0);

#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Place place = place_of<kOneRow>(launch, span, threadIdx.x + i * blockDim.x);
    if (place.count == 0) continue;
    store_codes<Scheme::kBits, true>(code_at<Scheme::kBits>(launch, place.row, place.col),
                                     encode_eight(scheme, values[i], encoding), place.count);
  }
}

// Blocks that do not fit into registers, and those that are not aligned: a thread block each, read
// twice.
inline constexpr int kLargeThreads = 512;

template <class Scheme, class Source, bool kAligned>
__global__ void __launch_bounds__(kLargeThreads)
    quantize_large(Source source, Scheme scheme, BlockLaunch launch) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
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

  std::int64_t vectors() const {
    return launch.block.rows * static_cast<std::int64_t>(launch.vectors.divisor);
  }

  // Several rows of two matrices of fp32 need more registers than there are.
  static constexpr bool kSeveralRows = Source::kBytes < 8;

  void run() const {
    const bool one_row = launch.block.rows == 1;
    const int most = one_row ? kResidentThreads<true> : kResidentThreads<false>;
    if (one_row && launch.block.cols <= kWarp * kEight) {
      small();
    } else if (!kAligned || vectors() > kMost * most || (!one_row && !kSeveralRows)) {
      large();
    } else if (one_row) {
      resident<true>();
    } else {
      resident<false>();
    }
  }

  void large() const {
    const unsigned threads = vectors() < kLargeThreads ? 128 : kLargeThreads;
    quantize_large<Scheme, Source, kAligned>
        <<<launch.count, threads, 0, stream>>>(source, scheme, launch);
  }

  template <bool kOneRow>
  void resident() const {
    if constexpr (kAligned && (kOneRow || kSeveralRows)) {
      if (vectors() > kMost * 128) {
        resident_with<kMost, kOneRow>();
      } else if (vectors() > 128) {
        resident_with<kMost / 2, kOneRow>();
      } else {
        resident_with<1, kOneRow>();
      }
    }
  }

  template <int kVectors, bool kOneRow>
  void resident_with() const {
    const auto threads =
        static_cast<unsigned>((vectors() + kVectors * kWarp - 1) / (kVectors * kWarp) * kWarp);
    quantize_resident<Scheme, Source, kVectors, kOneRow>
        <<<launch.count, threads, 0, stream>>>(source, scheme, launch);
  }

  void small() const {
    constexpr int kVectors = kAligned ? kMost / 2 : 1;
    int lanes_log2 = 0;
    while ((1U << lanes_log2) < launch.vectors.divisor) ++lanes_log2;
    const std::int64_t threads = static_cast<std::int64_t>(launch.count) << lanes_log2;
    constexpr std::int64_t kAtOnce = kSmallThreads * kVectors;
    quantize_small<Scheme, Source, kVectors, kAligned>
        <<<static_cast<unsigned>((threads + kAtOnce - 1) / kAtOnce), kSmallThreads, 0, stream>>>(
            source, scheme, launch, lanes_log2);
  }
};

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
  const std::int64_t at_once = across < kMostBlocks ? kMostBlocks / across : 1;
  // A block that starts anywhere, or is not whole vectors, is read element by element.
  aligned = aligned && block.cols % kEight == 0;
  for (std::int64_t first = 0; first < down; first += at_once) {
    const std::int64_t count = down - first < at_once ? down - first : at_once;
    const BlockLaunch launch{rows,
                             cols,
                             block,
                             first * block.rows,
                             first * across,
                             static_cast<std::uint32_t>(count * across),
                             Divider(across),
                             Divider((block.cols + kEight - 1) / kEight),
                             codes};
    if (aligned) {
      BlockKernels<Scheme, Source, true>{source, scheme, launch, stream}.run();
    } else {
      BlockKernels<Scheme, Source, false>{source, scheme, launch, stream}.run();
    }
  }
}

}  // namespace lowp::kernels
