// Levels avx2 and, but for its products, avx_vnni of intx_rows_inl.h, and codes of 1 to 7 bits in
// order for panels.
#pragma once

#include <immintrin.h>

#include "kernels/linear_common/avx2_vector_inl.h"
#include "kernels/linear_common/intx_rows_inl.h"

namespace lowp::kernels {
namespace {

// Bits that divide 8: 4 * kBits bytes in all lanes, each shifted to another field of the bytes.
template <int kBits>
struct IntxFields {
  static constexpr std::int64_t kReach = 4 * kBits;
  static constexpr bool kInOrder = false;
  static constexpr int place(int column) {
    constexpr int kInByte = 8 / kBits;
    return column % kInByte * (32 / kInByte) + column / kInByte;
  }

  Ints shifts = in_register(kBits == 1   ? _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
                            : kBits == 2 ? _mm256_setr_epi64x(0, 2, 4, 6)
                                         : _mm256_setr_epi64x(0, 0, 4, 4));
  Ints mask = in_register(_mm256_set1_epi8((1 << kBits) - 1));

  Ints decode(const std::uint8_t* codes) const {
    Ints fields;
    if constexpr (kBits == 1) {
      std::int32_t dword;
      std::memcpy(&dword, codes, sizeof(dword));
      fields = _mm256_srlv_epi32(broadcast(dword), shifts);
    } else if constexpr (kBits == 2) {
      long long qword;
      std::memcpy(&qword, codes, sizeof(qword));
      fields = _mm256_srlv_epi64(_mm256_set1_epi64x(qword), shifts);
    } else {
      const Ints both =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
      fields = _mm256_srlv_epi64(both, shifts);
    }
    return _mm256_and_si256(fields, mask);
  }
};

// Any number of bits, in order. The bytes with a code go to a word, which a multiplication by a
// power of two shifts: codes of even place down to the low byte, those of odd place up to the high
// one. Each half of a vector has its own 16 codes' bytes, or both have all where they are few.
template <int kBits>
struct IntxWindows {
  static constexpr bool kShared = 4 * kBits <= 16;
  static constexpr std::int64_t kReach = kShared ? 16 : 2 * kBits + 16;
  static constexpr bool kInOrder = true;
  static constexpr int place(int column) { return column; }

  struct Tables {
    alignas(32) std::array<std::uint8_t, 32> bytes[2];    // of the codes of even and of odd place
    alignas(32) std::array<std::uint16_t, 16> factor[2];  // 2^(16 - shift), 2^(8 - shift)
  };
  static constexpr Tables kTables = [] {
    Tables tables{};
    for (int i = 0; i < 16; ++i) {
      for (int odd = 0; odd < 2; ++odd) {
        const int bit = ((kShared ? i : i % 8) * 2 + odd) * kBits;
        const int byte = bit / 8;
        // What a shift of 16 would be comes from the word's high byte.
        const bool high = odd == 0 && bit % 8 == 0;
        tables.bytes[odd][2 * i] = static_cast<std::uint8_t>(byte);
        tables.bytes[odd][2 * i + 1] = static_cast<std::uint8_t>(high ? byte : (byte + 1) % 16);
        const int shift = odd == 1 ? 8 - bit % 8 : (high ? 8 : 16 - bit % 8);
        tables.factor[odd][i] = static_cast<std::uint16_t>(1U << shift);
      }
    }
    return tables;
  }();

  Ints bytes[2] = {in_register(load_ints(kTables.bytes[0].data())),
                   in_register(load_ints(kTables.bytes[1].data()))};
  Ints factor[2] = {in_register(load_ints(kTables.factor[0].data())),
                    in_register(load_ints(kTables.factor[1].data()))};
  Ints high_bytes = in_register(_mm256_set1_epi16(static_cast<short>(0xFF00)));
  Ints mask = in_register(_mm256_set1_epi8((1 << kBits) - 1));

  static Ints load(const std::uint8_t* codes) {
    const auto half = [](const std::uint8_t* from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    if constexpr (kShared) return _mm256_broadcastsi128_si256(half(codes));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(half(codes)), half(codes + 2 * kBits), 1);
  }

  Ints decode(const std::uint8_t* codes) const {
    const Ints all = load(codes);
    const Ints even = _mm256_mulhi_epu16(_mm256_shuffle_epi8(all, bytes[0]), factor[0]);
    const Ints odd = _mm256_mullo_epi16(_mm256_shuffle_epi8(all, bytes[1]), factor[1]);
    return _mm256_and_si256(_mm256_blendv_epi8(even, odd, high_bytes), mask);
  }
};

template <int kBits>
using IntxDecoder = std::conditional_t<8 % kBits == 0, IntxFields<kBits>, IntxWindows<kBits>>;

// All but the products.
struct IntxAvx2Bytes {
  static constexpr std::int64_t kStep = 32;
  static constexpr std::int64_t kFetchBytes = 64;
  template <int kBits>
  using Decoder = IntxDecoder<kBits>;

  static Int32s sum_of_bytes(Ints bytes) {
    const Ints pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    return reinterpret_cast<Int32s>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  static Ints round(Floats values) { return _mm256_cvtps_epi32(values); }

  static std::int32_t largest_magnitude(const float* x, std::int64_t count) {
    return largest_bits(x, count);
  }

  static Ints digit(const Ints* numbers, int d) {
    Ints bytes[4];
    for (int i = 0; i < 4; ++i) {
      bytes[i] = _mm256_and_si256(_mm256_srli_epi32(numbers[i], 8 * d), broadcast(0xFF));
    }
    const Ints packed = _mm256_packus_epi16(_mm256_packus_epi32(bytes[0], bytes[1]),
                                            _mm256_packus_epi32(bytes[2], bytes[3]));
    const Ints in_order =
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return _mm256_xor_si256(in_order, _mm256_set1_epi8(static_cast<char>(0x80)));
  }

  // The bytes of columns 0 to 15 and of 16 to 31 that each place takes; 0x80 is none.
  template <class Order>
  static constexpr auto kSources = [] {
    std::array<std::array<std::uint8_t, 32>, 2> sources{};
    for (auto& half : sources) half.fill(0x80);
    for (int column = 0; column < 32; ++column) {
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
      const Ints low = _mm256_permute2x128_si256(bytes, bytes, 0x00);
      const Ints high = _mm256_permute2x128_si256(bytes, bytes, 0x11);
      return _mm256_or_si256(_mm256_shuffle_epi8(low, load_ints(kSources<Order>[0].data())),
                             _mm256_shuffle_epi8(high, load_ints(kSources<Order>[1].data())));
    }
  }

  // A step has one scale.
  template <class Order>
  static Floats spread(const float* values) {
    return broadcast(values[0]);
  }
};

struct IntxAvx2 : IntxAvx2Bytes {
  // vpmaddubsw adds the products of two columns in int16.
  using Narrow = std::int16_t __attribute__((vector_size(32)));
  template <int kBits>
  static constexpr std::int64_t kNarrowSteps = 32767 / (2 * 128 * ((1 << kBits) - 1));

  static Narrow multiply_add(Narrow sum, Ints codes, Ints x) {
    return sum + reinterpret_cast<Narrow>(_mm256_maddubs_epi16(codes, x));
  }
  static Int32s widen(Int32s sum, Narrow narrow) {
    return sum + reinterpret_cast<Int32s>(
                     _mm256_madd_epi16(reinterpret_cast<Ints>(narrow), _mm256_set1_epi16(1)));
  }
};

// Codes, less `offset`, of columns [k_begin, k_end) of a row, k_begin a multiple of 8: store(i,
// bytes) gets 32 of them from column k_begin + i on, zeros behind the last. weight (N, K * kBits /
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
  for (std::int64_t i = 0; i < k_end - k_begin; i += 32) {
    const Ints stored =
        readable >= Decoder::kReach ? decoder.decode(codes) : decode_last<Decoder>(codes, readable);
    Ints bytes = _mm256_sub_epi8(stored, _mm256_set1_epi8(static_cast<char>(offset)));
    const std::int64_t left = k_end - k_begin - i;
    if (left < 32) {
      alignas(32) char buffer[64] = {};
      std::memset(buffer, -1, static_cast<std::size_t>(left));
      bytes = _mm256_and_si256(bytes, load_ints(buffer));
    }
    store(i, bytes);
    codes += 4 * kBits;
    readable -= 4 * kBits;
  }
}

}  // namespace
}  // namespace lowp::kernels
