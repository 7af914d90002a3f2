// What levels avx2 and avx_vnni of linear_w4a8 share.
#pragma once

#include "kernels/linear_common/avx2_tile_inl.h"
// The vectors come first.
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_common/rows_int4_avx2_inl.h"
#include "kernels/linear_w4a8/implementations.h"
#include "kernels/linear_w4a8/rows_inl.h"

namespace lowp::kernels {
namespace {

inline Ints nibble_mask() { return _mm256_set1_epi8(0x0F); }

// Of a Level of rows_inl.h, all but the products.
struct Avx2Rows {
  static Ints load(const std::uint8_t* data, std::int64_t bytes) {
    return load_bytes_256(data, bytes);
  }
  static void read_ahead(const std::uint8_t* /*data*/) {}
  static void split(Ints packed, Ints& even, Ints& odd) {
    const Ints codes = _mm256_xor_si256(packed, _mm256_set1_epi8(static_cast<char>(0x88)));
    even = _mm256_and_si256(codes, nibble_mask());
    odd = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble_mask());
  }
  static Floats spread(const float* values) {
    const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values)));
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(two),
                                    _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
  }
};

// Nibbles plus 8 of 32 columns a time, in order.
inline void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.k + k_begin) / 2;
  const std::int64_t bytes = (k_end - k_begin) / 2;
  for (std::int64_t i = 0; i < bytes; i += 16) {
    const Ints words = _mm256_cvtepu8_epi16(load_bytes_128(codes + i, bytes - i));
    const Ints nibbles =
        _mm256_and_si256(_mm256_or_si256(words, _mm256_slli_epi16(words, 4)), nibble_mask());
    store_ints(steps + i / 2, _mm256_xor_si256(nibbles, _mm256_set1_epi8(kCodeOffset)));
  }
}

inline void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                     std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  for (std::int64_t k = k_begin; k < k_end; k += 32) {
    store_ints(steps + (k - k_begin) / 4, load_bytes_256(codes + k, k_end - k));
  }
}

// As nibbles lie in a dword: of eight columns the first step has those of even place.
struct NibblesPanel {
  static constexpr std::int64_t kUnit = 8;
  static constexpr std::int64_t kBits = 4;
  static constexpr int kSteps = 2;
  static void unpack(Ints dwords, Floats* steps) {
    Ints nibbles[kSteps];
    Avx2Rows::split(dwords, nibbles[0], nibbles[1]);
    for (int i = 0; i < kSteps; ++i) steps[i] = _mm256_castsi256_ps(nibbles[i]);
  }
};

inline void decode_x_for_nibbles(const void* from, std::int64_t row, std::int64_t k_begin,
                                 std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  const Ints order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
  for (std::int64_t k = k_begin; k < k_end; k += 32) {
    const Ints bytes = load_bytes_256(codes + k, k_end - k);
    store_ints(steps + (k - k_begin) / 4, _mm256_shuffle_epi8(bytes, order));
  }
}

template <class Multiplier, template <int> class Sums, class Level>
void multiply(const LinearW4A8Args& args) {
  LinearJob job = job_of(args);
  job.decode_weight = decode_weight;
  job.decode_x = decode_x;
  if (fits_int4_rows(job) && args.zero_point == nullptr) {
    DigitRow<1> x[kInt4MaxRows];
    for (std::int64_t m = 0; m < job.m; ++m) prepare_digits(job, args.x + m * job.k, x[m]);
    return multiply_int4_rows<Sums>(job, args.weight, x);
  }
  if (fits_few_rows(args)) return multiply_few_rows<Level>(args, job);
  job.x_codes = args.x;
  job.x_codes_stride = args.k;
  job.x_code_bytes = 1;
  if (args.group_size % 8 == 0) {  // eight columns are of one group
    job.decode_x = decode_x_for_nibbles;
    set_panel<NibblesPanel>(job, args.weight);
  }
  multiply_panels<Multiplier>(job);
}

}  // namespace
}  // namespace lowp::kernels
