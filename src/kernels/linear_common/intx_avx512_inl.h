// Levels avx512 and avx512_vnni of intx_rows_inl.h, and codes of 1 to 7 bits in order for panels.
#pragma once

#include <immintrin.h>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/linear_common/intx_rows_inl.h"

namespace lowp::kernels {
namespace {

// Bits that divide 8: 8 * kBits bytes in all lanes, each shifted to another field of the bytes.
template <int kBits>
struct IntxFields {
  static constexpr std::int64_t kReach = 8 * kBits;
  static constexpr bool kInOrder = false;
  static constexpr int place(int column) {
    constexpr int kInByte = 8 / kBits;
    return column % kInByte * (64 / kInByte) + column / kInByte;
  }

  Ints shifts = in_register(kBits == 1   ? _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)
                            : kBits == 2 ? _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6)
                                         : _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4));
  Ints mask = in_register(_mm512_set1_epi8((1 << kBits) - 1));

  Ints decode(const std::uint8_t* codes) const {
    Ints all;
    if constexpr (kBits == 1) {
      long long qword;
      std::memcpy(&qword, codes, sizeof(qword));
      all = _mm512_set1_epi64(qword);
    } else if constexpr (kBits == 2) {
      all = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    } else {
      all = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
    }
    return _mm512_and_si512(_mm512_srlv_epi64(all, shifts), mask);
  }
};

// Any number of bits, in order: each quarter of a vector has the 2 * kBits bytes of 16 codes. The
// two bytes with a code go to a word, which is shifted: codes of even place down, those of odd
// place to the word's high byte.
template <int kBits>
struct IntxWindows {
  static constexpr std::int64_t kReach = 64;
  static constexpr bool kInOrder = true;
  static constexpr int place(int column) { return column; }

  struct Tables {
    alignas(64) std::array<std::uint16_t, 32> quarters;   // words of the codes
    alignas(64) std::array<std::uint8_t, 64> bytes[2];    // of the codes of even and of odd place
    alignas(64) std::array<std::uint16_t, 32> shifts[2];  // down, and up
  };
  static constexpr Tables kTables = [] {
    Tables tables{};
    for (int i = 0; i < 32; ++i) {
      tables.quarters[i] = static_cast<std::uint16_t>(i / 8 * kBits + i % 8);
      for (int odd = 0; odd < 2; ++odd) {
        const int bit = (i % 8 * 2 + odd) * kBits;
        tables.bytes[odd][2 * i] = static_cast<std::uint8_t>(bit / 8);
        tables.bytes[odd][2 * i + 1] = static_cast<std::uint8_t>(bit / 8 + 1);
        tables.shifts[odd][i] = static_cast<std::uint16_t>(odd == 1 ? 8 - bit % 8 : bit % 8);
      }
    }
    return tables;
  }();

  Ints quarters = in_register(load_ints(kTables.quarters.data()));
  Ints bytes[2] = {in_register(load_ints(kTables.bytes[0].data())),
                   in_register(load_ints(kTables.bytes[1].data()))};
  Ints shifts[2] = {in_register(load_ints(kTables.shifts[0].data())),
                    in_register(load_ints(kTables.shifts[1].data()))};
  Ints low_bytes = in_register(_mm512_set1_epi16(0x00FF));
  Ints mask = in_register(_mm512_set1_epi8((1 << kBits) - 1));

  Ints decode(const std::uint8_t* codes) const { return decode(load_ints(codes)); }

  Ints decode(Ints codes) const {
    constexpr int kFirstOrSecond = 0xCA;  // where the mask is set, the first
    const Ints parts = _mm512_permutexvar_epi16(quarters, codes);
    const Ints even = _mm512_srlv_epi16(_mm512_shuffle_epi8(parts, bytes[0]), shifts[0]);
    const Ints odd = _mm512_sllv_epi16(_mm512_shuffle_epi8(parts, bytes[1]), shifts[1]);
    const Ints both = _mm512_ternarylogic_epi32(low_bytes, even, odd, kFirstOrSecond);
    return _mm512_and_si512(both, mask);
  }
};

template <int kBits>
using IntxDecoder = std::conditional_t<8 % kBits == 0, IntxFields<kBits>, IntxWindows<kBits>>;

// All but the products.
struct IntxAvx512Bytes {
  static constexpr std::int64_t kStep = 64;
  static constexpr std::int64_t kFetchBytes = 1;  // each step
  template <int kBits>
  using Decoder = IntxDecoder<kBits>;

  static Int32s sum_of_bytes(Ints bytes) {
    const Ints pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), bytes);
    return reinterpret_cast<Int32s>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }

  static Ints round(Floats values) { return _mm512_cvtps_epi32(values); }

  static std::int32_t largest_magnitude(const float* x, std::int64_t count) {
    Ints largest = _mm512_setzero_si512();
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const Ints magnitude = _mm512_and_si512(load_ints(x + i), broadcast(0x7FFFFFFF));
      largest = _mm512_max_epi32(largest, magnitude);
    }
    return _mm512_reduce_max_epi32(largest);
  }

  static Ints digit(const Ints* numbers, int d) {
    Ints bytes[4];
    for (int i = 0; i < 4; ++i) {
      bytes[i] = _mm512_and_si512(_mm512_srlv_epi32(numbers[i], broadcast(8 * d)), broadcast(0xFF));
    }
    const Ints packed = _mm512_packus_epi16(_mm512_packus_epi32(bytes[0], bytes[1]),
                                            _mm512_packus_epi32(bytes[2], bytes[3]));
    const Ints in_order = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), packed);
    return _mm512_xor_si512(in_order, _mm512_set1_epi8(static_cast<char>(0x80)));
  }

  // The byte of each quarter of the columns that a place takes; 0x80 is none.
  template <class Order>
  static constexpr auto kSources = [] {
    std::array<std::array<std::uint8_t, 64>, 4> sources{};
    for (auto& quarter : sources) quarter.fill(0x80);
    for (int column = 0; column < 64; ++column) {
      const auto place = static_cast<std::size_t>(Order::place(column));
      sources[column / 16][place] = static_cast<std::uint8_t>(column % 16);
    }
    return sources;
  }();

  template <class Order>
  static Ints arrange(Ints bytes) {
    if constexpr (Order::kInOrder) {
      return bytes;
    } else {
      const auto quarter = [](Ints everywhere, std::size_t i) {
        return _mm512_shuffle_epi8(everywhere, load_ints(kSources<Order>[i].data()));
      };
      const Ints first = quarter(_mm512_shuffle_i32x4(bytes, bytes, 0x00), 0);
      const Ints second = quarter(_mm512_shuffle_i32x4(bytes, bytes, 0x55), 1);
      const Ints third = quarter(_mm512_shuffle_i32x4(bytes, bytes, 0xAA), 2);
      const Ints fourth = quarter(_mm512_shuffle_i32x4(bytes, bytes, 0xFF), 3);
      return _mm512_or_si512(_mm512_or_si512(first, second), _mm512_or_si512(third, fourth));
    }
  }

  // Whether a lane has columns of the second half of a step.
  template <class Order>
  static constexpr auto kHalf = [] {
    std::array<std::int32_t, 16> half{};
    for (int column = 0; column < 64; ++column) {
      half[static_cast<std::size_t>(Order::place(column) / 4)] = column / 32;
    }
    return half;
  }();

  template <class Order>
  static Floats spread(const float* values) {
    const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values)));
    return _mm512_permutexvar_ps(load_ints(kHalf<Order>.data()), _mm512_castps128_ps512(two));
  }
};

struct IntxAvx512 : IntxAvx512Bytes {
  // vpmaddubsw adds the products of two columns in int16.
  using Narrow = std::int16_t __attribute__((vector_size(64)));
  template <int kBits>
  static constexpr std::int64_t kNarrowSteps = 32767 / (2 * 128 * ((1 << kBits) - 1));

  static Narrow multiply_add(Narrow sum, Ints codes, Ints x) {
    return sum + reinterpret_cast<Narrow>(_mm512_maddubs_epi16(codes, x));
  }
  static Int32s widen(Int32s sum, Narrow narrow) {
    return sum + reinterpret_cast<Int32s>(
                     _mm512_madd_epi16(reinterpret_cast<Ints>(narrow), _mm512_set1_epi16(1)));
  }
};

// Codes, less `offset`, of columns [k_begin, k_end) of a row, k_begin a multiple of 8: store(i,
// bytes) gets 64 of them from column k_begin + i on, zeros behind the last. weight (N, K * kBits /
// 8).
template <int kBits, class Store>
void for_each_intx_vector(const std::uint8_t* weight, std::int64_t n, std::int64_t k,
                          std::int64_t row, std::int64_t k_begin, std::int64_t k_end, int offset,
                          const Store& store) {
  using Decoder = IntxWindows<kBits>;
  const Decoder decoder;
  const std::int64_t row_bytes = k / 8 * kBits;
  const std::uint8_t* codes = weight + row * row_bytes + k_begin / 8 * kBits;
  std::int64_t readable = (n - row) * row_bytes - k_begin / 8 * kBits;
  for (std::int64_t i = 0; i < k_end - k_begin; i += 64) {
    const Ints stored =
        readable >= Decoder::kReach ? decoder.decode(codes) : decode_last<Decoder>(codes, readable);
    store(i, _mm512_maskz_sub_epi8(first_64_lanes(k_end - k_begin - i), stored,
                                   _mm512_set1_epi8(static_cast<char>(offset))));
    codes += 8 * kBits;
    readable -= 8 * kBits;
  }
}

}  // namespace
}  // namespace lowp::kernels
