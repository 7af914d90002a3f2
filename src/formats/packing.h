// Codes of less than a byte, packed along K.
#pragma once

#include <cstdint>

#include "formats/integers.h"

namespace lowp {

// e2m1 and int4: the even element in the low nibble.
LOWP_HD constexpr std::uint8_t pack_nibbles(int even, int odd) {
  return static_cast<std::uint8_t>((even & 0xF) | (odd & 0xF) << 4);
}
// Unsigned code of element i of a row of nibbles; sign_extend(code, 4) makes it an int4.
LOWP_HD constexpr std::uint8_t nibble(const std::uint8_t* row, std::int64_t i) {
  return static_cast<std::uint8_t>(row[i / 2] >> (i % 2 * 4) & 0xF);
}

// NF4 and the 4-bit optimizer codes have the even element in the high nibble.
LOWP_HD constexpr std::uint8_t pack_nibbles_high_first(int even, int odd) {
  return pack_nibbles(odd, even);
}
LOWP_HD constexpr std::uint8_t nibble_high_first(const std::uint8_t* row, std::int64_t i) {
  return static_cast<std::uint8_t>(row[i / 2] >> (4 - i % 2 * 4) & 0xF);
}

// BitNet: four ternary values a byte, element 4j in bits 7:6, 4j + 3 in bits 1:0.
LOWP_HD constexpr std::uint8_t pack_ternary(const std::int8_t* four) {
  std::uint8_t byte = 0;
  for (int i = 0; i < 4; ++i) byte = static_cast<std::uint8_t>(byte << 2 | (four[i] & 3));
  return byte;
}
LOWP_HD constexpr int ternary(const std::uint8_t* row, std::int64_t i) {
  return sign_extend(row[i / 4] >> (6 - i % 4 * 2), 2);
}

// A little-endian bit stream: code i at bit i * bits, least significant bit first, over byte
// borders (uint1 to uint7). Eight codes fill `bits` bytes.
LOWP_HD constexpr std::int64_t bit_stream_bytes(std::int64_t count, int bits) {
  return (count * bits + 7) / 8;
}

LOWP_HD constexpr unsigned bit_stream_code(const std::uint8_t* stream, std::int64_t i, int bits) {
  const std::int64_t first = i * bits;
  const int shift = static_cast<int>(first % 8);
  unsigned word = stream[first / 8];
  if (shift + bits > 8) word |= static_cast<unsigned>(stream[first / 8 + 1]) << 8;
  return word >> shift & ((1U << bits) - 1U);
}

// The low `bits` bits of each code; the unused bits of the last byte are 0.
LOWP_HD constexpr void pack_bit_stream(const std::uint8_t* codes, std::int64_t count, int bits,
                                       std::uint8_t* stream) {
  unsigned pending = 0;
  int filled = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    pending |= (codes[i] & ((1U << bits) - 1U)) << filled;
    filled += bits;
    for (; filled >= 8; filled -= 8, pending >>= 8) {
      *stream++ = static_cast<std::uint8_t>(pending);
    }
  }
  if (filled > 0) *stream = static_cast<std::uint8_t>(pending);
}

LOWP_HD constexpr void unpack_bit_stream(const std::uint8_t* stream, std::int64_t count, int bits,
                                         std::uint8_t* codes) {
  for (std::int64_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::uint8_t>(bit_stream_code(stream, i, bits));
  }
}

// Signed codes of 1 to 7 bits (intx) lie in such a stream as code + 2^(bits - 1), as in
// compressed-tensors' words: a row of them is the same bytes.
LOWP_HD constexpr int intx_offset(int bits) { return 1 << (bits - 1); }
LOWP_HD constexpr int intx_code(const std::uint8_t* stream, std::int64_t i, int bits) {
  return static_cast<int>(bit_stream_code(stream, i, bits)) - intx_offset(bits);
}

// How compressed-tensors' pack-quantized puts signed codes of `bits` bits (1 to 8) into words:
// code + 2^(bits - 1), unsigned, lowest bits first. The two orders are the same for bits that
// divide 32.
enum class WordOrder : std::uint8_t {
  kDense,   // code i at bit i * bits, over word borders
  kPadded,  // floor(32 / bits) codes a word, its upper bits unused: versions up to late 2025
};

LOWP_HD constexpr std::int64_t packed_words(std::int64_t count, int bits,
                                            WordOrder order = WordOrder::kDense) {
  if (order == WordOrder::kDense) return (count * bits + 31) / 32;
  const std::int64_t in_a_word = 32 / bits;
  return (count + in_a_word - 1) / in_a_word;
}

// Bit of the stream of words at which code i begins.
LOWP_HD constexpr std::int64_t word_bit(std::int64_t i, int bits, WordOrder order) {
  if (order == WordOrder::kDense) return i * bits;
  const std::int64_t in_a_word = 32 / bits;
  return i / in_a_word * 32 + i % in_a_word * bits;
}

// `stride`: distance of consecutive words; zero points are packed along N, down a column.
LOWP_HD constexpr int word_code(const std::uint32_t* words, std::int64_t i, int bits,
                                WordOrder order = WordOrder::kDense, std::int64_t stride = 1) {
  const std::int64_t first = word_bit(i, bits, order);
  const int shift = static_cast<int>(first % 32);
  std::uint64_t pair = words[first / 32 * stride];
  if (shift + bits > 32) pair |= static_cast<std::uint64_t>(words[(first / 32 + 1) * stride]) << 32;
  const auto code = static_cast<int>(pair >> shift & ((1U << bits) - 1U));
  return code - (1 << (bits - 1));
}

// `code_stride`: distance of consecutive codes, as `stride` of the words. Unused bits are 0.
LOWP_HD constexpr void pack_words(const std::int8_t* codes, std::int64_t count, int bits,
                                  std::uint32_t* words, WordOrder order = WordOrder::kDense,
                                  std::int64_t code_stride = 1, std::int64_t stride = 1) {
  for (std::int64_t w = 0; w < packed_words(count, bits, order); ++w) words[w * stride] = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = word_bit(i, bits, order);
    const auto code = static_cast<std::uint32_t>(codes[i * code_stride] + (1 << (bits - 1))) &
                      ((1U << bits) - 1U);
    const auto pair = static_cast<std::uint64_t>(code) << (first % 32);
    words[first / 32 * stride] |= static_cast<std::uint32_t>(pair);
    if (pair >> 32 != 0) words[(first / 32 + 1) * stride] |= static_cast<std::uint32_t>(pair >> 32);
  }
}

LOWP_HD constexpr void unpack_words(const std::uint32_t* words, std::int64_t count, int bits,
                                    std::int8_t* codes, WordOrder order = WordOrder::kDense,
                                    std::int64_t stride = 1, std::int64_t code_stride = 1) {
  for (std::int64_t i = 0; i < count; ++i) {
    codes[i * code_stride] = static_cast<std::int8_t>(word_code(words, i, bits, order, stride));
  }
}

}  // namespace lowp
