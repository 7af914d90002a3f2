// The end of a tile of linear_tiles: scale, bias, one rounding, and the way to device memory.
#pragma once

#include "kernels/linear_common/sm90_tiles_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// Scale and bias of a lane's two rows of W.
struct RowFactors {
  float scale[2];
  float bias[2];
};

template <class K>
__device__ float load_bias(const Problem& problem, unsigned row) {
  if (problem.bias == nullptr) return 0.0F;
  const unsigned bits = static_cast<const std::uint16_t*>(problem.bias)[row];
  return K::Pair::to_floats(bits).x;
}

template <class K>
__device__ RowFactors load_row_factors(const Problem& problem, unsigned row) {
  RowFactors factors{};
#pragma unroll
  for (unsigned h = 0; h < 2; ++h) {
    const unsigned r = min(row + 8 * h, problem.n - 1);
    factors.scale[h] = 1.0F;
    if constexpr (K::kScaling == Scaling::kRow) {
      factors.scale[h] = static_cast<const float*>(problem.weight.scale)[scale_row(problem, r)];
    } else if constexpr (K::kFormat == CudaWeightFormat::kNvfp4) {
      factors.scale[h] = *problem.weight.tensor_scale * kNvfp4RowFactor;
    }
    factors.bias[h] = load_bias<K>(problem, r);
  }
  return factors;
}

// As store_matrix_x4, each matrix transposed: a lane's address is that of a column.
__device__ inline void store_matrix_x4_transposed(unsigned address, const unsigned (&values)[4]) {
  asm volatile(
      "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
      "r"(values[0]), "r"(values[1]), "r"(values[2]), "r"(values[3])
      : "memory");
}

// 16 bytes of out from shared memory; 8 columns of it from `column` on.
__device__ inline void store_out(const Problem& problem, unsigned token, unsigned column,
                                 uint4 value) {
  if (column >= problem.n) return;
  auto* out = static_cast<std::uint16_t*>(problem.out) +
              static_cast<std::int64_t>(token) * problem.n + column;
  if (problem.vector_out && column + 8 <= problem.n) {
    *reinterpret_cast<uint4*>(out) = value;
    return;
  }
  const unsigned words[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    if (column + i < problem.n) {
      out[i] = static_cast<std::uint16_t>(words[i / 2] >> (i % 2 * 16));
    }
  }
}

// The sums of a split of K, times the scale, from the tile's token `part` on. A warp stores whole
// sectors: 8 rows of 4 tokens.
template <class K>
__device__ void write_part(const Problem& problem, const float (&sums)[K::kTokens / 2],
                           unsigned part, const Tile& tile, unsigned first_row, unsigned thread) {
  const unsigned row = first_row + thread / 32 * 16 + thread % 32 / 4;
  const unsigned tile_token = tile.token * problem.tile_tokens;
  const unsigned tokens = min(problem.tile_tokens, problem.m - tile_token);
  const RowFactors factors = load_row_factors<K>(problem, row);
  float* const to =
      problem.parts + (std::size_t{tile.split} * problem.m + tile_token) * problem.n + row;
#pragma unroll
  for (unsigned i = part / 2; i < (part + K::kPartTokens) / 2; ++i) {
    const unsigned h = i / 2 % 2;
    const unsigned token = i / 4 * 8 + thread % 4 * 2 + i % 2;
    if (token < tokens && row + 8 * h < problem.n) {
      to[std::size_t{token} * problem.n + 8 * h] = sums[i] * factors.scale[h];
    }
  }
}

// Sums are out^T: transposed through shared memory, kOutTokens tokens of 64 columns at a time, from
// the tile's token `part` on. Chunks of 16 bytes of token t lie at chunk ^ (t % 8).
template <class K>
__device__ void write_out(const Problem& problem, const float (&sums)[K::kTokens / 2],
                          unsigned part, unsigned tile_token, unsigned first_row, unsigned buffer,
                          unsigned consumer, unsigned thread) {
  const unsigned warp = thread / 32;
  const unsigned lane = thread % 32;
  const RowFactors factors = load_row_factors<K>(problem, first_row + warp * 16 + lane / 4);
  const unsigned tokens = min(problem.tile_tokens, problem.m - tile_token);
#pragma unroll
  for (unsigned first = part; first < part + K::kPartTokens; first += K::kOutTokens) {
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);  // the buffer has been read
#pragma unroll
    for (unsigned j = 0; j < K::kOutTokens / 8; j += 2) {
      // Matrices: rows 0-7 and 8-15 of the warp's 16, tokens 8j on, then the same of 8j + 8 on.
      unsigned values[4];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned h = i % 2;
        const unsigned at = 4 * (first / 8 + j + i / 2) + 2 * h;
        values[i] = K::Pair::from_floats(fmaf(sums[at], factors.scale[h], factors.bias[h]),
                                         fmaf(sums[at + 1], factors.scale[h], factors.bias[h]));
      }
      const unsigned token = 8 * (j + lane / 16) + lane % 8;
      const unsigned chunk = warp * 2 + lane / 8 % 2;
      store_matrix_x4_transposed(buffer + token * 128 + ((chunk ^ token % 8) << 4), values);
    }
    sm90::named_barrier_sync(1 + consumer, kWarpgroup);
#pragma unroll
    for (unsigned i = 0; i < K::kOutBytes / 16 / kWarpgroup; ++i) {
      const unsigned token = i * (kWarpgroup / 8) + thread / 8;
      const unsigned chunk = thread % 8;
      const uint4 value = load_shared_16(buffer + token * 128 + ((chunk ^ token % 8) << 4));
      if (first + token < tokens) {
        store_out(problem, tile_token + first + token, first_row + chunk * 8, value);
      }
    }
  }
}

}  // namespace
}  // namespace lowp::kernels::tiles
