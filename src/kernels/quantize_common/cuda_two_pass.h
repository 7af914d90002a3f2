// Quantization of a whole tensor, or of its columns, with one scale each: a first pass leaves the
// ranges of parts in a workspace, a second encodes. No atomics, so nothing needs to be zeroed and
// every run gives the same bits. The second pass goes from the end to the front: what the first has
// read last is still in the L2 cache.
#pragma once

#include <algorithm>

#include "kernels/quantize_common/cuda_blocks.h"
#include "kernels/quantize_common/cuda_launch.h"

namespace lowp::kernels {

inline constexpr int kTensorThreads = 256;
// Eights that a thread has in flight.
template <class Source>
inline constexpr int kTensorVectors = 8 / Source::kBytes;
template <class Source>
inline constexpr std::int64_t kTensorChunk = kTensorThreads* kTensorVectors<Source>* kEight;
// Thread blocks that an H100 holds at once, of the two passes.
inline constexpr std::int64_t kTensorParts = 132 * 6;
inline constexpr int kEncodeThreadBlocks = 4;
inline constexpr std::int64_t kTensorEncoders = 132 * kEncodeThreadBlocks;

// A tensor in chunks of rows, dealt to at most kTensorParts thread blocks.
struct Chunks {
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t across;  // chunks of a row
  std::int64_t count;

  // Rows that follow each other without a gap are one.
  Chunks(const Matrix& x, std::int64_t chunk)
      : rows(x.stride == x.cols ? 1 : x.rows),
        cols(x.stride == x.cols ? x.rows * x.cols : x.cols),
        across((cols + chunk - 1) / chunk),
        count(rows * across) {}
  unsigned parts() const { return static_cast<unsigned>(std::min(count, kTensorParts)); }
};

// Calls body(i, row, col, count) for this thread's eights of a chunk.
template <class Source, bool kAligned, class Body>
__device__ void for_each_eight(const Chunks& chunks, std::int64_t chunk, const Body& body) {
  const std::int64_t row = chunks.across == chunks.count ? 0 : chunk / chunks.across;
  const std::int64_t start = (chunk - row * chunks.across) * kTensorChunk<Source>;
#pragma unroll
  for (int i = 0; i < kTensorVectors<Source>; ++i) {
    const std::int64_t col = start + (i * kTensorThreads + threadIdx.x) * kEight;
    const std::int64_t left = chunks.cols - col;
    const int count = left < kEight ? (left < 0 ? 0 : static_cast<int>(left)) : kEight;
    body(i, row, col, kAligned && left > 0 ? kEight : count);
  }
}

template <class Scheme, class Source, bool kAligned>
__global__ void __launch_bounds__(kTensorThreads, kAligned ? 6 : 3)
    scan_tensor(Source source, Chunks chunks, typename Scheme::Found* of_part) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
  start_next_kernel();
  typename Scheme::Found found;
  for (std::int64_t chunk = blockIdx.x; chunk < chunks.count; chunk += gridDim.x) {
    typename Source::Raw raw[kTensorVectors<Source>];
    for_each_eight<Source, kAligned>(
        chunks, chunk, [&](int i, std::int64_t row, std::int64_t col, int count) {
          if (count > 0) raw[i] = source.template load<kAligned, Reuse::kSoon>(row, col, count);
        });
    for_each_eight<Source, kAligned>(chunks, chunk,
                                     [&](int i, std::int64_t, std::int64_t, int count) {
                                       if (count > 0) found.add(source.finish(raw[i]));
                                     });
  }
  found = of_thread_block(found, of_warp);
  if (threadIdx.x == 0) of_part[blockIdx.x] = found;
}

template <class Source>
struct ChunkPart {
  typename Source::Raw raw[kTensorVectors<Source>];
};

// parts: 0 if the parameters are given. The next chunk is on its way while one is encoded, the
// first while the parameters are made.
template <class Scheme, class Source, bool kAligned>
__global__ void __launch_bounds__(kTensorThreads, kAligned ? kEncodeThreadBlocks : 1)
    encode_tensor(Source source, Scheme scheme, Chunks chunks,
                  const typename Scheme::Found* of_part, unsigned parts, std::uint8_t* codes) {
  __shared__ typename Scheme::Found of_warp[kMaxWarps];
  const auto load = [&](std::int64_t i, ChunkPart<Source>& part) {
    if (i >= chunks.count) return;
    for_each_eight<Source, kAligned>(
        chunks, chunks.count - 1 - i, [&](int j, std::int64_t row, std::int64_t col, int count) {
          if (count > 0) {
            part.raw[j] = source.template load<kAligned, Reuse::kNone>(row, col, count);
          }
        });
  };
  ChunkPart<Source> current;
  load(blockIdx.x, current);
  wait_for_kernel_before();
  typename Scheme::Found found;
  for (unsigned part = threadIdx.x; part < parts; part += kTensorThreads) {
    found.merge(of_part[part]);
  }
  const auto encoding =
      scheme.finish(of_thread_block(found, of_warp), 0, blockIdx.x == 0 && threadIdx.x == 0);
  for (std::int64_t i = blockIdx.x; i < chunks.count; i += gridDim.x) {
    ChunkPart<Source> next;
    load(i + gridDim.x, next);
    for_each_eight<Source, kAligned>(
        chunks, chunks.count - 1 - i, [&](int j, std::int64_t row, std::int64_t col, int count) {
          if (count == 0) return;
          store_codes<Scheme::kBits, kAligned>(
              codes + (row * chunks.cols + col) * Scheme::kBits / 8,
              encode_eight(scheme, source.finish(current.raw[j]), encoding), count);
        });
    current = next;
  }
}

template <class Scheme, class Source>
void quantize_tensor(const Source& source, const Scheme& scheme, const Matrix& x, bool aligned,
                     std::uint8_t* codes, void* workspace, cudaStream_t stream) {
  const Chunks chunks(x, kTensorChunk<Source>);
  auto* of_part = static_cast<typename Scheme::Found*>(workspace);
  const bool scans = scheme.scans();
  const auto run = [&]<bool kAligned>(std::bool_constant<kAligned>) {
    const auto encode = encode_tensor<Scheme, Source, kAligned>;
    const auto encoders = static_cast<unsigned>(std::min(chunks.count, kTensorEncoders));
    if (scans) {
      scan_tensor<Scheme, Source, kAligned>
          <<<chunks.parts(), kTensorThreads, 0, stream>>>(source, chunks, of_part);
      launch_overlapped(encode, encoders, kTensorThreads, 0, stream, source, scheme, chunks,
                        of_part, chunks.parts(), codes);
    } else {
      encode<<<encoders, kTensorThreads, 0, stream>>>(source, scheme, chunks, of_part, 0, codes);
    }
  };
  if (aligned) {
    run(std::true_type{});
  } else {
    run(std::false_type{});
  }
}

// ---- Columns.

inline constexpr int kStripWarps = 8;
inline constexpr int kStripCols =
    kWarp * kEight;                   // of a thread block: a warp's vectors side by side
inline constexpr int kStripRows = 4;  // rows a warp has in flight

// A matrix in tiles of 256 columns and `rows_each` rows, a thread block each.
struct Strips {
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t rows_each;
  unsigned across;
  unsigned down;

  // At most `tiles` of them, unless there are more strips.
  Strips(std::int64_t rows_, std::int64_t cols_, std::int64_t tiles) : rows(rows_), cols(cols_) {
    constexpr std::int64_t kMostDown = 128;
    across = static_cast<unsigned>((cols + kStripCols - 1) / kStripCols);
    const std::int64_t wanted = std::clamp<std::int64_t>(tiles / across, 1, kMostDown);
    const std::int64_t step = kStripWarps * kStripRows;
    rows_each = std::max((rows + wanted - 1) / wanted, step);
    rows_each = (rows_each + step - 1) / step * step;
    down = static_cast<unsigned>((rows + rows_each - 1) / rows_each);
  }
  unsigned tiles() const { return across * down; }

  // As many as an H100 holds at once: few ranges are to be read again.
  static Strips to_scan(std::int64_t rows, std::int64_t cols) {
    return Strips(rows, cols, 132 * 6);
  }
  static Strips to_encode(std::int64_t rows, std::int64_t cols) {
    return Strips(rows, cols, 132 * 16);
  }
};

// A thread's part of a tile: eight columns, every eighth row.
struct StripPlace {
  unsigned down;
  std::int64_t col;
  int count;
  std::int64_t first_row;
  std::int64_t end_row;

  __device__ StripPlace(const Strips& strips, unsigned tile) {
    down = tile / strips.across;
    col = static_cast<std::int64_t>(tile - down * strips.across) * kStripCols +
          threadIdx.x % kWarp * kEight;
    const std::int64_t left = strips.cols - col;
    count = left < kEight ? (left < 0 ? 0 : static_cast<int>(left)) : kEight;
    first_row = down * strips.rows_each + threadIdx.x / kWarp;
    end_row = min((down + 1) * strips.rows_each, strips.rows);
  }
};

// Ranges of a tile's columns into of_columns (down, cols); with kRows also of its rows, into
// of_rows (across, rows).
template <class Found, class Source, bool kRows, bool kAligned>
__global__ void __launch_bounds__(kStripWarps* kWarp)
    scan_strips(Source source, Strips strips, Found* of_columns, Found* of_rows) {
  __shared__ Found of_warp[kStripWarps][kStripCols + 1];
  start_next_kernel();
  const StripPlace place(strips, blockIdx.x);
  const unsigned strip = blockIdx.x - place.down * strips.across;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned lane = threadIdx.x % kWarp;
  EachOfEight<Found, typename Source::Element> found;
  for (std::int64_t row = place.first_row; row < place.end_row; row += kStripWarps * kStripRows) {
    typename Source::Raw raw[kStripRows];
#pragma unroll
    for (int i = 0; i < kStripRows; ++i) {
      const std::int64_t at = row + i * kStripWarps;
      if (place.count > 0 && at < place.end_row) {
        raw[i] = source.template load<kAligned, Reuse::kSoon>(at, place.col, place.count);
      }
    }
#pragma unroll
    for (int i = 0; i < kStripRows; ++i) {
      const std::int64_t at = row + i * kStripWarps;
      if (at >= place.end_row) break;
      Found of_row;
      if (place.count > 0) {
        const auto values = source.finish(raw[i]);
        found.add(values);
        if constexpr (kRows) of_row.add(values);
      }
      if constexpr (kRows) {
        of_row = of_row.of_warp();
        if (lane == 0) of_rows[strip * strips.rows + at] = of_row;
      }
    }
  }
#pragma unroll
  for (int j = 0; j < kEight; ++j) of_warp[warp][lane * kEight + j] = found.at(j);
  __syncthreads();
  const std::int64_t col = static_cast<std::int64_t>(strip) * kStripCols + threadIdx.x;
  if (col >= strips.cols) return;
  Found merged;
#pragma unroll
  for (int i = 0; i < kStripWarps; ++i) merged.merge(of_warp[i][threadIdx.x]);
  of_columns[place.down * strips.cols + col] = merged;
}

// Ranges of `parts` parts, (parts, count), and the parameters of all together: the scheme's blocks
// from 0 to count - 1.
template <class Scheme>
struct Finishing {
  Scheme scheme;
  const typename Scheme::Found* of_part;
  std::int64_t count;
  unsigned parts;
};

// blockIdx.y chooses between the two: rows and columns at once.
template <class Scheme>
__global__ void __launch_bounds__(kStripWarps* kWarp)
    finish_parts(Finishing<Scheme> first, Finishing<Scheme> second) {
  __shared__ typename Scheme::Found of_warp[kStripWarps][kWarp];
  start_next_kernel();
  wait_for_kernel_before();
  const Finishing<Scheme>& finishing = blockIdx.y == 0 ? first : second;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned lane = threadIdx.x % kWarp;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  typename Scheme::Found found;
  if (index < finishing.count) {
#pragma unroll 4
    for (unsigned part = warp; part < finishing.parts; part += kStripWarps) {
      found.merge(finishing.of_part[part * finishing.count + index]);
    }
  }
  of_warp[warp][lane] = found;
  __syncthreads();
  if (warp != 0 || index >= finishing.count) return;
#pragma unroll
  for (int i = 1; i < kStripWarps; ++i) found.merge(of_warp[i][lane]);
  finishing.scheme.finish(found, index, true);
}

// `sides` of them, of at most `longest` parameters; with `overlapped` after what finds the ranges.
template <class Scheme>
void launch_finish(const Finishing<Scheme>& first, const Finishing<Scheme>& second,
                   std::int64_t longest, unsigned sides, bool overlapped, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((longest + kWarp - 1) / kWarp), sides);
  if (overlapped) {
    launch_overlapped(finish_parts<Scheme>, grid, kStripWarps * kWarp, 0, stream, first, second);
  } else {
    finish_parts<Scheme><<<grid, kStripWarps * kWarp, 0, stream>>>(first, second);
  }
}

// Columns with the parameters that are stored, from the last tile to the first.
template <class Scheme, class Source, bool kAligned>
__global__ void __launch_bounds__(kStripWarps* kWarp)
    encode_columns(Source source, Scheme scheme, Strips strips, std::uint8_t* codes) {
  wait_for_kernel_before();
  const StripPlace place(strips, gridDim.x - 1 - blockIdx.x);
  if (place.count == 0) return;
  typename Scheme::Encoding encodings[kEight];
  bool fast = true;
#pragma unroll
  for (int j = 0; j < kEight; ++j) {
    encodings[j] = scheme.stored(place.col + (j < place.count ? j : 0));
    fast = fast && encodings[j].fast;
  }
  const auto encode_rows = [&]<bool kFast>(std::bool_constant<kFast>) {
    for (std::int64_t row = place.first_row; row < place.end_row; row += kStripWarps * kStripRows) {
      typename Source::Raw raw[kStripRows];
#pragma unroll
      for (int i = 0; i < kStripRows; ++i) {
        const std::int64_t at = row + i * kStripWarps;
        if (at < place.end_row) {
          raw[i] = source.template load<kAligned, Reuse::kNone>(at, place.col, place.count);
        }
      }
#pragma unroll
      for (int i = 0; i < kStripRows; ++i) {
        const std::int64_t at = row + i * kStripWarps;
        if (at >= place.end_row) break;
        const auto values = source.finish(raw[i]);
        EightCodes<8> eight{};
#pragma unroll
        for (int j = 0; j < kEight; j += 2) {
          const unsigned pair = scheme.template encode_pair<kFast>(values.at(j), values.at(j + 1),
                                                                   encodings[j], encodings[j + 1]);
          eight.words[j / 4] |= pair << j % 4 * 8;
        }
        store_codes<8, kAligned>(codes + at * strips.cols + place.col, eight, place.count);
      }
    }
  };
  if (fast) {
    encode_rows(std::true_type{});
  } else {
#pragma unroll
    for (auto& encoding : encodings) encoding = scheme.prepared(encoding);
    encode_rows(std::false_type{});
  }
}

template <class Scheme, class Source>
void quantize_columns(const Source& source, const Scheme& scheme, const Matrix& x, bool aligned,
                      std::uint8_t* codes, void* workspace, cudaStream_t stream) {
  using Found = typename Scheme::Found;
  const Strips strips = Strips::to_scan(x.rows, x.cols);
  const Strips encoded = Strips::to_encode(x.rows, x.cols);
  const unsigned threads = kStripWarps * kWarp;
  auto* of_columns = static_cast<Found*>(workspace);
  const bool scans = scheme.scans();
  const auto run = [&]<bool kAligned>(std::bool_constant<kAligned>) {
    if (scans) {
      scan_strips<Found, Source, false, kAligned>
          <<<strips.tiles(), threads, 0, stream>>>(source, strips, of_columns, nullptr);
    }
    const Finishing<Scheme> finishing{scheme, of_columns, x.cols, scans ? strips.down : 0};
    launch_finish(finishing, finishing, x.cols, 1, scans, stream);
    launch_overlapped(encode_columns<Scheme, Source, kAligned>, encoded.tiles(), threads, 0, stream,
                      source, scheme, encoded, codes);
  };
  if (aligned) {
    run(std::true_type{});
  } else {
    run(std::false_type{});
  }
}

// ---- What block it is decides.

enum class BlockKind : std::uint8_t { kTensor, kColumns, kBlocks };

// Matrices that a single thread block takes as fast are blocks.
inline BlockKind kind_of(std::int64_t rows, std::int64_t cols, Block block) {
  constexpr std::int64_t kMostOfOneThreadBlock = 16384;
  if (block.rows >= rows && block.cols >= cols && rows * cols > kMostOfOneThreadBlock) {
    return BlockKind::kTensor;
  }
  return block.rows >= rows && block.cols == 1 && rows > 1 ? BlockKind::kColumns
                                                           : BlockKind::kBlocks;
}

// Bytes of workspace that quantize_matrix needs, 0 if none.
template <class Found>
std::int64_t quantize_workspace(std::int64_t rows, std::int64_t cols, Block block) {
  if (rows == 0 || cols == 0) return 0;
  const auto size = static_cast<std::int64_t>(sizeof(Found));
  switch (kind_of(rows, cols, block)) {
    case BlockKind::kTensor:
      return kTensorParts * size;
    case BlockKind::kColumns:
      return Strips::to_scan(rows, cols).down * cols * size;
    default:
      return 0;
  }
}

// Quantizes x in blocks into `codes`, which has 8 or 4 bits an element.
template <class T, class Scheme>
void quantize_matrix(const Scheme& scheme, const Matrix& x, Block block, void* codes,
                     void* workspace, cudaStream_t stream) {
  if (x.rows == 0 || x.cols == 0) return;
  const Plain<T> source(x);
  auto* bytes = static_cast<std::uint8_t*>(codes);
  const bool aligned = has_vectors(x) && is_aligned(codes, Scheme::kBits);
  if constexpr (Scheme::kBits == 8) {
    const BlockKind kind = kind_of(x.rows, x.cols, block);
    if (kind == BlockKind::kTensor) {
      return quantize_tensor(source, scheme, x, aligned, bytes, workspace, stream);
    }
    if (kind == BlockKind::kColumns) {
      return quantize_columns(source, scheme, x, aligned, bytes, workspace, stream);
    }
  }
  quantize_in_blocks(source, scheme, x.rows, x.cols, block, aligned, bytes, stream);
}

}  // namespace lowp::kernels
