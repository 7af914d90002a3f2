// Tiles of a matrix that is written along its rows and, transposed, along its columns: the order in
// which thread blocks take them, their codes in shared memory, and their scales. What limits such
// kernels is the traffic between the halves of the L2 cache: a store of four bytes takes as much of
// it as one of 32. So everything is stored in whole lines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "formats/swizzle.h"
#include "kernels/quantize_common/cuda_launch.h"

namespace lowp::kernels {

// Warps of 32x64 elements, a lane 8x8, so that it holds eight consecutive elements of rows and of
// columns alike. kResident: thread blocks that a multiprocessor is to hold at once.
template <unsigned kWarpsDown, unsigned kWarpsAcross, unsigned kResident>
struct TileShape {
  static constexpr unsigned kRows = kWarpsDown * 32;
  static constexpr unsigned kCols = kWarpsAcross * 64;
  static constexpr unsigned kThreads = kWarpsDown * kWarpsAcross * 32;
  // The same work takes more registers before Hopper.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  static constexpr unsigned kLeastResident = kResident > 1 ? kResident - 1 : 1;
#else
  static constexpr unsigned kLeastResident = kResident;
#endif

  // Of this lane's elements in the tile.
  __device__ static unsigned lane_row() {
    return threadIdx.x / 32 / kWarpsAcross * 32 + threadIdx.x % 32 / 8 * 8;
  }
  __device__ static unsigned lane_col() {
    return threadIdx.x / 32 % kWarpsAcross * 64 + threadIdx.x % 8 * 8;
  }
};

// Tiles are taken in squares of 1024x1024 elements: the lines that fill a page are written within a
// short time for either dimension. Rows of squares are blockIdx.y.
template <class Shape>
struct TileOrder {
  static constexpr unsigned kAcross = 1024 / Shape::kCols;
  unsigned down;  // tiles of a square, a power of two

  explicit TileOrder(std::int64_t rows) : down(1) {
    while (down < 1024 / Shape::kRows && down * Shape::kRows < rows) down *= 2;
  }
  dim3 grid(std::int64_t rows, std::int64_t cols) const {
    return dim3(static_cast<unsigned>(ceil_div(cols, 1024)) * kAcross * down,
                static_cast<unsigned>(ceil_div(rows, std::int64_t{down} * Shape::kRows)));
  }
  // First row and column of this thread block's tile; it may lie outside of the matrix.
  __device__ unsigned first_row() const {
    return (blockIdx.y * down + blockIdx.x / kAcross % down) * Shape::kRows;
  }
  __device__ unsigned first_col() const {
    return (blockIdx.x / kAcross / down * kAcross + blockIdx.x % kAcross) * Shape::kCols;
  }
};

// Codes of a tile in rows of kRowBytes. The chunks of 16 bytes of a line of 128 are permuted by the
// octet of rows that it is in: lanes that lie below each other go to different banks.
template <unsigned kRows, unsigned kRowBytes, unsigned kThreads>
struct CodeTile {
  static constexpr unsigned kChunk = 16;
  static constexpr unsigned kBeside = kRowBytes < 128 ? 128 / kRowBytes : 1;  // rows in a line
  alignas(128) std::uint8_t bytes[kRows * kRowBytes];

  __device__ static unsigned permutation(unsigned row) { return __brev(row / 8) >> 29 << 4; }

  // Eight rows from `row`, a multiple of 8, at `byte`.
  struct Lane {
    std::uint8_t* rows[kBeside];

    template <class Codes>
    __device__ void put(unsigned i, Codes codes) const {
      constexpr unsigned kStep = kBeside * kRowBytes;
      *reinterpret_cast<Codes*>(rows[i % kBeside] + i / kBeside * kStep) = codes;
    }
  };
  __device__ Lane lane(unsigned row, unsigned byte) {
    Lane result;
#pragma unroll
    for (unsigned i = 0; i < kBeside; ++i) {
      result.rows[i] = bytes + (((row + i) * kRowBytes + byte) ^ permutation(row));
    }
    return result;
  }

  // To `out`, whose rows are `stride` bytes apart; `rows` and `row_bytes` are what is inside of the
  // output. kAlignment (16, 8 or 1): that of its addresses and of row_bytes.
  template <unsigned kAlignment>
  __device__ void store(std::uint8_t* out, std::int64_t stride, unsigned rows,
                        unsigned row_bytes) const {
    constexpr unsigned kChunks = kRowBytes / kChunk;
    constexpr unsigned kStep = kThreads / kChunks;
    static_assert(kStep % 32 == 0);
    const unsigned row = threadIdx.x / kChunks;
    const unsigned byte = threadIdx.x % kChunks * kChunk;
    const unsigned from = (row * kRowBytes + byte) ^ permutation(row);
    if (byte >= row_bytes) return;
    out += row * stride + byte;
#pragma unroll
    for (unsigned i = 0; i < kRows / kStep; ++i, out += kStep * stride) {
      if (row + i * kStep >= rows) break;
      // 32 rows on, the permutation differs in one bit.
      const unsigned at = (from ^ (i * kStep / 32 % 2 * kChunk)) + i * kStep * kRowBytes;
      store_chunk<kAlignment>(out, *reinterpret_cast<const uint4*>(bytes + at), row_bytes - byte);
    }
  }

 private:
  template <unsigned kAlignment>
  __device__ static void store_chunk(std::uint8_t* out, const uint4& chunk, unsigned left) {
    if constexpr (kAlignment == 16) {
      *reinterpret_cast<uint4*>(out) = chunk;
    } else if constexpr (kAlignment == 8) {
      *reinterpret_cast<uint2*>(out) = {chunk.x, chunk.y};
      if (left > 8) *reinterpret_cast<uint2*>(out + 8) = {chunk.z, chunk.w};
    } else {
      const unsigned words[] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
      for (unsigned i = 0; i < kChunk; ++i) {
        if (i < left) out[i] = static_cast<std::uint8_t>(words[i / 4] >> i % 4 * 8);
      }
    }
  }
};

// Between rows and columns: to unpack the lane's elements twice is cheaper than the registers of 64
// floats.
template <class Eights>
__device__ void forget_derived(Eights& eights) {
#pragma unroll
  for (auto& eight : eights) {
#pragma unroll
    for (unsigned& word : eight.words) asm volatile("" : "+r"(word));
  }
}

// ---- Scales.

// A matrix of 32-bit words, each a float or the scales of four blocks.
struct WordMatrix {
  unsigned* words;
  unsigned rows;
  unsigned across;
};

// Thread blocks leave the words of a tile's rows in bands of 32 rows, column by column: 128 bytes
// for 32 rows. words_to_rows brings them to their places.
__host__ __device__ inline std::int64_t band_offset(std::int64_t row, std::int64_t col,
                                                    std::int64_t across) {
  return (row / 32 * across + col) * 32 + row % 32;
}

// Matrices with fewer elements are faster with a single kernel.
constexpr std::int64_t kManyElements = std::int64_t{1} << 22;

constexpr unsigned kBandPitch = 33;  // words of shared memory for a column of 32

inline unsigned band_bytes(unsigned across) { return across * kBandPitch * 4; }

// Whether words_to_rows can take it: whole bands that fit into shared memory.
inline bool takes_bands(const WordMatrix& matrix) {
  return matrix.rows % 32 == 0 && band_bytes(matrix.across) <= 200 * 1024;
}

// A thread block a band of either matrix.
constexpr unsigned kBandThreads = 256;

__global__ static void __launch_bounds__(kBandThreads)
    words_to_rows(WordMatrix first, WordMatrix second) {
  extern __shared__ unsigned staged[];
  const unsigned bands = first.rows / 32;
  const bool is_first = blockIdx.x < bands;
  const unsigned across = is_first ? first.across : second.across;
  const std::int64_t band = is_first ? blockIdx.x : blockIdx.x - bands;
  unsigned* words = (is_first ? first.words : second.words) + band * 32 * across;
  wait_for_kernel_before();
  for (unsigned i = threadIdx.x; i < across * 32; i += kBandThreads) {
    staged[i / 32 * kBandPitch + i % 32] = words[i];
  }
  __syncthreads();
  for (unsigned row = threadIdx.x / 32; row < 32; row += kBandThreads / 32) {
    for (unsigned col = threadIdx.x % 32; col < across; col += 32) {
      words[row * across + col] = staged[col * kBandPitch + row];
    }
  }
}

// After the kernel that left the bands, which calls start_next_kernel; one matrix may be empty.
inline void launch_words_to_rows(const WordMatrix& first, const WordMatrix& second,
                                 cudaStream_t stream) {
  const unsigned bytes = band_bytes(std::max(first.across, second.across));
  cudaFuncSetAttribute(words_to_rows, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       static_cast<int>(bytes));
  launch_overlapped(words_to_rows, dim3(first.rows / 32 + second.rows / 32), kBandThreads, bytes,
                    stream, first, second);
}

}  // namespace lowp::kernels
