#include "formats/packing.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace lowp {
namespace {

static_assert(pack_nibbles(-8, 7) == 0x78 && pack_nibbles_high_first(1, 2) == 0x12);
static_assert(packed_words(576, 3) == 54 && packed_words(576, 3, WordOrder::kPadded) == 58);

// Three bits: the stored code is 4 more.
TEST(Packing, IntxCodesAreSigned) {
  const std::array<std::uint8_t, 3> stream{0b10'001'000, 0b1'100'011'0, 0b111'110'10};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(intx_code(stream.data(), i, 3), i - 4);
  EXPECT_EQ(intx_offset(1), 1);
  EXPECT_EQ(intx_offset(7), 64);
}

TEST(Packing, NibblesHaveTheEvenElementLow) {
  const std::array<std::uint8_t, 2> row{pack_nibbles(1, -2), pack_nibbles(-8, 7)};
  const std::array expected{1, -2, -8, 7};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sign_extend(nibble(row.data(), i), 4), expected[i]);
  EXPECT_EQ(row[0], 0xE1);
  EXPECT_EQ(nibble_high_first(row.data(), 0), 0xE);
  EXPECT_EQ(nibble_high_first(row.data(), 1), 0x1);
}

TEST(Packing, TernaryStartsAtTheTopBits) {
  const std::array<std::int8_t, 4> values{-1, 0, 1, -1};
  const std::uint8_t byte = pack_ternary(values.data());
  EXPECT_EQ(byte, 0b11'00'01'11);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ternary(&byte, i), values[i]);
}

TEST(Packing, BitStreamOfThreeBits) {
  const std::array<std::uint8_t, 8> codes{1, 2, 3, 4, 5, 6, 7, 0};
  std::array<std::uint8_t, 3> stream{};
  pack_bit_stream(codes.data(), 8, 3, stream.data());
  // The number 0o07654321, lowest byte first.
  EXPECT_EQ(stream[0] | stream[1] << 8 | stream[2] << 16, 007654321);
}

TEST(Packing, EveryWidthAndLengthSurvives) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (std::int64_t count = 0; count < 70; ++count) {
      std::vector<std::uint8_t> codes(count);
      for (std::int64_t i = 0; i < count; ++i) {
        codes[i] = static_cast<std::uint8_t>(i * 37 & ((1 << bits) - 1));
      }
      std::vector<std::uint8_t> stream(bit_stream_bytes(count, bits));
      std::vector<std::uint8_t> back(count);
      pack_bit_stream(codes.data(), count, bits, stream.data());
      unpack_bit_stream(stream.data(), count, bits, back.data());
      EXPECT_EQ(codes, back) << bits << " bits, " << count;

      for (const WordOrder order : {WordOrder::kDense, WordOrder::kPadded}) {
        std::vector<std::int8_t> values(count);
        for (std::int64_t i = 0; i < count; ++i) {
          values[i] = static_cast<std::int8_t>(sign_extend(codes[i], bits));
        }
        std::vector<std::uint32_t> words(packed_words(count, bits, order), 0xFFFFFFFF);
        std::vector<std::int8_t> again(count);
        pack_words(values.data(), count, bits, words.data(), order);
        unpack_words(words.data(), count, bits, again.data(), order);
        EXPECT_EQ(values, again) << bits << " bits, " << count;
      }
    }
  }
}

TEST(Packing, WordsDownAColumn) {
  // Zero points (10 rows, 3 groups) become (2 words, 3 groups).
  std::vector<std::int8_t> zero_points(30);
  for (int i = 0; i < 30; ++i) zero_points[i] = static_cast<std::int8_t>(i % 16 - 8);
  std::vector<std::uint32_t> words(6);
  std::vector<std::int8_t> back(30);
  for (int g = 0; g < 3; ++g) {
    pack_words(&zero_points[g], 10, 4, &words[g], WordOrder::kDense, 3, 3);
    unpack_words(&words[g], 10, 4, &back[g], WordOrder::kDense, 3, 3);
  }
  EXPECT_EQ(zero_points, back);
  EXPECT_EQ(words[0] & 0xFFF, 0x630U);  // 0, 3, 6 of column 0: -8, -5, -2
}

}  // namespace
}  // namespace lowp
