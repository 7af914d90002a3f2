// Panels of formats with a scale for each block of columns, which the elements of AMX's tiles have
// in them. For files of AVX-512 levels.
#pragma once

#include "kernels/linear_common/panel_codes_avx512_inl.h"

namespace lowp::kernels {
namespace {

// Scales of one byte, (N, K / kBlock), of 16 rows of a panel: those of a block in the lanes of its
// vector.
template <std::int64_t kBlock>
struct BlockBytes {
  static constexpr std::int64_t kBlocks = 512 / kBlock;  // of a panel's columns, at most
  alignas(64) std::int32_t blocks[kBlocks][kLanes];

  BlockBytes(const LinearJob& job, const std::uint8_t* scales, std::int64_t n, std::int64_t k_begin,
             std::int64_t k_end) {
    const std::int64_t count = (k_end - k_begin) / kBlock;
    for (std::int64_t first = 0; first < count; first += kLanes) {
      const auto row = [&](std::int64_t i) {
        const std::int64_t at =
            smaller(n + i, job.n - 1) * (job.k / kBlock) + k_begin / kBlock + first;
        return _mm512_cvtepu8_epi32(load_codes_16(scales + at, count - first));
      };
      Ints of_blocks[kLanes];
      transpose_vectors(row, of_blocks);
      for (std::int64_t i = 0; i < kLanes; ++i) store_ints(blocks[first + i], of_blocks[i]);
    }
  }
};

// e8m0 scales as what is taken off the exponents of bf16 elements times 2^(kMost - 127): elements
// are normal and finite with scales of [kLeast, kMost], and zero stays zero if off is taken with
// saturation.
template <int kLeast, int kMost>
struct E8m0Blocks : BlockBytes<32> {
  using BlockBytes<32>::BlockBytes;

  // In both words of a lane; false if a scale is outside of the range.
  bool below_most(std::int64_t block, Ints& exponents) const {
    const Ints below = subtract(broadcast(kMost), load_ints(blocks[block]));
    if (_mm512_cmpgt_epu32_mask(below, broadcast(kMost - kLeast)) != 0) [[unlikely]]
      return false;
    exponents = _mm512_slli_epi16(shuffle_dwords(below, 0x01000100), 7);
    return true;
  }
};

// 32 magnitudes, or numbers but -0, times 2^exponent as bf16.
template <int kExponent>
constexpr auto times_power(std::array<std::uint16_t, 32> values) {
  for (auto& value : values) {
    value = static_cast<std::uint16_t>((value & 0x7FFF) == 0 ? 0 : value + kExponent * 128);
  }
  return values;
}

}  // namespace
}  // namespace lowp::kernels
