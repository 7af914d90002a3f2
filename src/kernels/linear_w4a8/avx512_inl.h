// What the AVX-512 levels of linear_w4a8 share.
#pragma once

#include "kernels/linear_common/avx512_tile_inl.h"
#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_w4a8/implementations.h"
#include "kernels/linear_w4a8/rows_inl.h"

namespace lowp::kernels {
namespace {

inline Ints nibble_mask() { return _mm512_set1_epi8(0x0F); }

// Of a Level of rows_inl.h, all but the products.
struct Avx512Rows {
  static Ints load(const std::uint8_t* data, std::int64_t bytes) {
    return _mm512_maskz_loadu_epi8(first_64_lanes(bytes), data);
  }
  // Xeons follow one stream no further than its page: two pages ahead, 4096 columns take 0.6 of the
  // time.
  static void read_ahead(const std::uint8_t* data) {
    constexpr std::ptrdiff_t kAhead = 8192;
    _mm_prefetch(reinterpret_cast<const char*>(data) + kAhead, _MM_HINT_T0);
  }
  static void split(Ints packed, Ints& even, Ints& odd) {
    const Ints codes = _mm512_xor_si512(packed, _mm512_set1_epi8(static_cast<char>(0x88)));
    even = _mm512_and_si512(codes, nibble_mask());
    odd = _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble_mask());
  }
  static Floats spread(const float* values) {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                                 _mm512_castps128_ps512(_mm_loadu_ps(values)));
  }
};

// Nibbles plus kOffset, of 64 columns a time, in order.
template <std::int32_t kOffset>
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.k + k_begin) / 2;
  const std::int64_t bytes = (k_end - k_begin) / 2;
  for (std::int64_t i = 0; i < bytes; i += 32) {
    const Ints words =
        _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(first_32_lanes(bytes - i), codes + i));
    const Ints nibbles =
        _mm512_and_si512(_mm512_or_si512(words, _mm512_slli_epi16(words, 4)), nibble_mask());
    const Ints codes = _mm512_xor_si512(nibbles, _mm512_set1_epi8(kCodeOffset));
    store_ints(steps + i / 2, _mm512_sub_epi8(codes, _mm512_set1_epi8(kCodeOffset - kOffset)));
  }
}

inline void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                     std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  for (std::int64_t k = k_begin; k < k_end; k += 64) {
    store_ints(steps + (k - k_begin) / 4,
               _mm512_maskz_loadu_epi8(first_64_lanes(k_end - k), codes + k));
  }
}

template <class Multiplier, class Level>
void multiply(const LinearW4A8Args& args) {
  LinearJob job = job_of(args);
  job.decode_weight = decode_weight<kCodeOffset>;
  job.decode_x = decode_x;
  if (fits_few_rows(args)) {
    multiply_few_rows<Level>(args, job);
  } else {
    multiply_panels<Multiplier>(job);
  }
}

}  // namespace
}  // namespace lowp::kernels
