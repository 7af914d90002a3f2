// Dequantization of blocks on the GPU. What differs between formats is a Scheme:
//   kBits                 of a code, 8 or 4
//   Decoding at(index)    parameters of block `index`
//   value<Out>(code, decoding)   in fp32, to be rounded once
#pragma once

#include "kernels/quantize_common/cuda_elements.h"

namespace lowp::kernels {

struct DequantizeLaunch {
  std::int64_t rows;  // of the matrix
  std::int64_t cols;
  Block block;
  std::int64_t across;     // blocks side by side
  std::int64_t first_row;  // of this launch
  std::uint32_t count;     // eights of this launch
  Divider vectors;         // eights across
  Divider block_cols;
  const std::uint8_t* codes;
  MutableMatrix out;
};

inline constexpr int kDequantizeThreads = 256;
template <bool kAligned>
inline constexpr int kDequantizeVectors = kAligned ? 4 : 1;

// kAligned: vectors everywhere, and the eight of one belong to one block.
template <class Scheme, class T, bool kAligned>
__global__ void __launch_bounds__(kDequantizeThreads)
    dequantize_eights(Scheme scheme, DequantizeLaunch launch) {
  const std::uint32_t first =
      blockIdx.x * (kDequantizeThreads * kDequantizeVectors<kAligned>)+threadIdx.x;
  EightCodes<Scheme::kBits> codes[kDequantizeVectors<kAligned>];
  std::int64_t rows[kDequantizeVectors<kAligned>];
  std::uint32_t cols[kDequantizeVectors<kAligned>];
  const auto count_from = [&](std::uint32_t col) {
    return static_cast<int>(min(launch.cols - col, std::int64_t{kEight}));
  };
#pragma unroll
  for (int i = 0; i < kDequantizeVectors<kAligned>; ++i) {
    const std::uint32_t index = first + i * kDequantizeThreads;
    if (index >= launch.count) break;
    const std::uint32_t row = launch.vectors.divide(index);
    rows[i] = launch.first_row + row;
    cols[i] = (index - row * launch.vectors.divisor) * kEight;
    codes[i] = load_codes<Scheme::kBits, kAligned>(
        launch.codes + (rows[i] * launch.cols + cols[i]) * Scheme::kBits / 8, count_from(cols[i]));
  }
#pragma unroll
  for (int i = 0; i < kDequantizeVectors<kAligned>; ++i) {
    if (first + i * kDequantizeThreads >= launch.count) break;
    const std::int64_t block_row = launch.block.rows == 1             ? rows[i]
                                   : launch.block.rows >= launch.rows ? 0
                                                                      : rows[i] / launch.block.rows;
    const std::int64_t row_index = block_row * launch.across;
    auto decoding = scheme.at(row_index + launch.block_cols.divide(cols[i]));
    Eight<T> values;
#pragma unroll
    for (int j = 0; j < kEight; j += 2) {
      float pair[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        if (!kAligned && j + k < count_from(cols[i])) {
          decoding = scheme.at(row_index + launch.block_cols.divide(cols[i] + j + k));
        }
        const unsigned word = codes[i].words[(j + k) * Scheme::kBits / 32];
        const unsigned code = word >> (j + k) * Scheme::kBits % 32;
        pair[k] = scheme.value(code & ((1U << Scheme::kBits) - 1), decoding);
      }
      values.set_pair(j, pair[0], pair[1]);
    }
    store_eight<T, kAligned>(
        static_cast<Scalar<T>*>(launch.out.data) + rows[i] * launch.out.stride + cols[i], values,
        count_from(cols[i]));
  }
}

template <class T, class Scheme>
void dequantize_as(const Scheme& scheme, const void* codes, const MutableMatrix& out, Block block,
                   cudaStream_t stream) {
  block = {block.rows < out.rows ? block.rows : out.rows,
           block.cols < out.cols ? block.cols : out.cols};
  const bool aligned = has_vectors(out) && is_aligned(codes, Scheme::kBits) &&
                       (block.cols % kEight == 0 || block.cols == out.cols);
  // Launches of at most 2^30 eights: what they count with are 32-bit numbers.
  const std::int64_t vectors = (out.cols + kEight - 1) / kEight;
  const std::int64_t most = (std::int64_t{1} << 30) / vectors;
  const std::int64_t at_once = most > 1 ? most : 1;
  for (std::int64_t row = 0; row < out.rows; row += at_once) {
    const std::int64_t rows = out.rows - row < at_once ? out.rows - row : at_once;
    const DequantizeLaunch launch{out.rows,
                                  out.cols,
                                  block,
                                  (out.cols + block.cols - 1) / block.cols,
                                  row,
                                  static_cast<std::uint32_t>(rows * vectors),
                                  Divider(vectors),
                                  Divider(block.cols),
                                  static_cast<const std::uint8_t*>(codes),
                                  out};
    const auto run = [&]<bool kAligned>(std::bool_constant<kAligned>) {
      constexpr std::uint32_t kAtOnce = kDequantizeThreads * kDequantizeVectors<kAligned>;
      dequantize_eights<Scheme, T, kAligned>
          <<<(launch.count + kAtOnce - 1) / kAtOnce, kDequantizeThreads, 0, stream>>>(scheme,
                                                                                      launch);
    };
    if (aligned) {
      run(std::true_type{});
    } else {
      run(std::false_type{});
    }
  }
}

// Writes what `codes`, 8 or 4 bits an element, stand for.
template <class Scheme>
const char* dequantize_matrix(const Scheme& scheme, const void* codes, const MutableMatrix& out,
                              Block block, void* stream) {
  if (out.rows == 0 || out.cols == 0) return nullptr;
  with_element(out.dtype, [&]<class T>(T) {
    dequantize_as<T>(scheme, codes, out, block, static_cast<cudaStream_t>(stream));
  });
  return launch_error();
}

}  // namespace lowp::kernels
