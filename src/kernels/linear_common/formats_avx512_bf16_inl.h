// Formats of rows_inl.h with bf16 elements, for vdpbf16ps. For files of level avx512_bf16.
#pragma once

#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/rows_inl.h"
#include "kernels/linear_common/steps_inl.h"

namespace lowp::kernels {
namespace {

struct Bf16Sums {
  static constexpr std::int64_t kElementsPerStep = 2;
  static __m512 multiply_add(__m512 sum, __m512i part, __m512i x) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(part), reinterpret_cast<__m512bh>(x));
  }
  static __m512 add_elements(__m512 sum, __m512i x) {
    return _mm512_add_ps(sum, _mm512_add_ps(even_to_fp32(x), odd_to_fp32(x)));
  }
};

struct Bf16Codes : Bf16Sums {
  static constexpr std::int64_t kCodes = 64;
  static constexpr std::int64_t kBytes = 128;
  static constexpr int kParts = 2;
  static constexpr int kInterleave = 1;
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    parts[0] = _mm512_maskz_loadu_epi8(first_64_lanes(bytes), codes);
    parts[1] = _mm512_maskz_loadu_epi8(first_64_lanes(bytes - 64), codes + 64);
  }
};

// Even and odd bytes of 64: each fills a vector of words without a widening.
struct E4m3Codes : Bf16Sums {
  static constexpr std::int64_t kCodes = 64;
  static constexpr std::int64_t kBytes = 64;
  static constexpr int kParts = 2;
  static constexpr int kInterleave = 2;
  E4m3Table table;
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    const __m512i words = _mm512_maskz_loadu_epi8(first_64_lanes(bytes), codes);
    parts[0] = table.bf16(words, _mm512_slli_epi16(words, 8));
    parts[1] = table.bf16(_mm512_srli_epi16(words, 8), words);
  }
};

// int4 and e2m1, by their table: the four nibbles of 32 words. The table's index is a word's low
// five bits, of which it ignores the fifth.
struct NibbleCodes : Bf16Sums {
  static constexpr std::int64_t kCodes = 128;
  static constexpr std::int64_t kBytes = 64;
  static constexpr int kParts = 4;
  static constexpr int kInterleave = 4;
  __m512i table;
  explicit NibbleCodes(const std::array<std::uint16_t, 32>& values)
      : table(_mm512_load_si512(values.data())) {}
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    const __m512i words = _mm512_maskz_loadu_epi8(first_64_lanes(bytes), codes);
    parts[0] = _mm512_permutexvar_epi16(words, table);
    parts[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(words, 4), table);
    parts[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(words, 8), table);
    parts[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(words, 12), table);
  }
};

// Without weights and scales; x is bf16.
template <class Args>
LinearJob job_of_matrix(const Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.x.rows;
  job.n = args.out.cols;
  job.k = args.x.cols;
  job.decode_x = [](const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                    std::int32_t* steps) {
    const Matrix& x = static_cast<const Args*>(from)->x;
    copy_bf16(static_cast<const std::uint16_t*>(x.data) + row * x.stride, k_begin, k_end, steps);
  };
  job.x = args.x.data;
  job.x_stride = args.x.stride * 2;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  return job;
}

// In place: bf16 steps of columns from k_begin on, a multiple of 32, times their group's scale.
// Exact where the product is a normal bf16 number.
inline void scale_bf16_steps(std::int32_t* steps, std::int64_t columns, std::int64_t group,
                             const float* scales) {
  alignas(64) std::int32_t index[kLanes];
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    index[lane] = static_cast<std::int32_t>(2 * lane / group);
  }
  const __m512i lanes = _mm512_load_si512(index);
  for (std::int64_t k = 0; k < columns; k += 32) {
    const __m512 scale = _mm512_permutexvar_ps(lanes, _mm512_loadu_ps(scales + k / group));
    const __m512i words = _mm512_loadu_si512(steps + k / 2);
    const __m512i even = _mm512_castps_si512(_mm512_mul_ps(even_to_fp32(words), scale));
    const __m512i odd = _mm512_castps_si512(_mm512_mul_ps(odd_to_fp32(words), scale));
    _mm512_storeu_si512(steps + k / 2,
                        _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd));
  }
}

template <class Format>
void multiply(const LinearJob& job, const Format& format, const void* weight) {
  if (fits_few_rows<Format>(job)) {
    multiply_few_rows(job, format, static_cast<const std::uint8_t*>(weight));
  } else {
    linear_panels_avx512_bf16(job);
  }
}

}  // namespace
}  // namespace lowp::kernels
