// Values worked out by hand from the layouts in ggml-common.h. The oracle tests compare random
// blocks with the gguf package.
#include "checkpoint/gguf_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace lowp::checkpoint {
namespace {

constexpr std::uint16_t kOne = 0x3C00;  // fp16
constexpr std::uint16_t kHalf = 0x3800;
constexpr std::uint16_t kMinusTwo = 0xC000;

template <class Block>
std::vector<float> values_of(GgufType type, const Block& block) {
  std::vector<float> values(Block::kElements);
  dequantize_gguf(type, reinterpret_cast<const std::byte*>(&block), Block::kElements,
                  values.data());
  return values;
}

TEST(GgufBlocks, Q8_0) {
  BlockQ8_0 block{.d = kHalf, .qs = {}};
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::int8_t>(i * 8 - 128);
  const auto values = values_of(GgufType::kQ8_0, block);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(values[i], 0.5F * static_cast<float>(i * 8 - 128));
}

TEST(GgufBlocks, FourBitsLowNibblesFirst) {
  BlockQ4_0 q4_0{.d = kMinusTwo, .qs = {}};
  BlockQ4_1 q4_1{.d = kMinusTwo, .m = kHalf, .qs = {}};
  for (int i = 0; i < 16; ++i)
    q4_0.qs[i] = q4_1.qs[i] = static_cast<std::uint8_t>(i | (15 - i) << 4);
  const auto symmetric = values_of(GgufType::kQ4_0, q4_0);
  const auto affine = values_of(GgufType::kQ4_1, q4_1);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(symmetric[i], -2.0F * static_cast<float>(i - 8));
    EXPECT_EQ(symmetric[i + 16], -2.0F * static_cast<float>(7 - i));
    EXPECT_EQ(affine[i], -2.0F * static_cast<float>(i) + 0.5F);
    EXPECT_EQ(affine[i + 16], -2.0F * static_cast<float>(15 - i) + 0.5F);
  }
}

TEST(GgufBlocks, FiveBitsHighBitPerElement) {
  BlockQ5_0 q5_0{.d = kOne, .qh = {}, .qs = {}};
  q5_0.qh[0] = 0x02;  // element 1
  q5_0.qh[3] = 0x80;  // element 31
  q5_0.qs[1] = 0x03;
  q5_0.qs[15] = 0xF0;
  const auto symmetric = values_of(GgufType::kQ5_0, q5_0);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(symmetric[i], i == 1 ? 3.0F : i == 31 ? 15.0F : -16.0F);

  BlockQ5_1 q5_1{.d = kOne, .m = kMinusTwo, .qh = {}, .qs = {}};
  std::memcpy(q5_1.qh, q5_0.qh, 4);
  std::memcpy(q5_1.qs, q5_0.qs, 16);
  const auto affine = values_of(GgufType::kQ5_1, q5_1);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(affine[i], i == 1 ? 17.0F : i == 31 ? 29.0F : -2.0F);
}

// Sub-block s has scale 5 s + 3 and min 63 - 7 s: both use all 6 bits.
template <class Block>
void set_scales(Block& block) {
  block.d = kHalf;
  block.dmin = kOne;
  for (int s = 0; s < 8; ++s) {
    const int scale = 5 * s + 28;
    const int min = 63 - 7 * s;
    if (s < 4) {
      block.scales[s] |= static_cast<std::uint8_t>(scale);
      block.scales[s + 4] |= static_cast<std::uint8_t>(min);
    } else {
      block.scales[s + 4] |= static_cast<std::uint8_t>((scale & 15) | (min & 15) << 4);
      block.scales[s - 4] |= static_cast<std::uint8_t>(scale >> 4 << 6);
      block.scales[s] |= static_cast<std::uint8_t>(min >> 4 << 6);
    }
  }
}

float k_value(int s, int code) {
  return 0.5F * static_cast<float>(5 * s + 28) * static_cast<float>(code) -
         static_cast<float>(63 - 7 * s);
}

TEST(GgufBlocks, Q4_K) {
  BlockQ4_K block{};
  set_scales(block);
  const auto code = [](int i) { return (i * 7 + i / 32) % 16; };
  for (int i = 0; i < 256; ++i) {
    block.qs[i / 64 * 32 + i % 32] |= static_cast<std::uint8_t>(code(i) << (i % 64 / 32 * 4));
  }
  const auto values = values_of(GgufType::kQ4_K, block);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(values[i], k_value(i / 32, code(i))) << i;
}

TEST(GgufBlocks, Q5_K) {
  BlockQ5_K block{};
  set_scales(block);
  const auto code = [](int i) { return (i * 11 + i / 32) % 32; };
  for (int i = 0; i < 256; ++i) {
    block.qs[i / 64 * 32 + i % 32] |=
        static_cast<std::uint8_t>((code(i) & 15) << (i % 64 / 32 * 4));
    block.qh[i % 32] |= static_cast<std::uint8_t>(code(i) >> 4 << (i / 32));
  }
  const auto values = values_of(GgufType::kQ5_K, block);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(values[i], k_value(i / 32, code(i))) << i;
}

TEST(GgufBlocks, Q6_K) {
  BlockQ6_K block{};
  block.d = kHalf;
  for (int i = 0; i < 16; ++i) block.scales[i] = static_cast<std::int8_t>(i * 16 - 128);
  const auto code = [](int i) { return (i * 13 + i / 32) % 64; };
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int quarter = i % 128 / 32;
    block.ql[half * 64 + quarter % 2 * 32 + i % 32] |=
        static_cast<std::uint8_t>((code(i) & 15) << (quarter / 2 * 4));
    block.qh[half * 32 + i % 32] |= static_cast<std::uint8_t>(code(i) >> 4 << (quarter * 2));
  }
  const auto values = values_of(GgufType::kQ6_K, block);
  for (int i = 0; i < 256; ++i) {
    const float scale = 0.5F * static_cast<float>(i / 16 * 16 - 128);
    EXPECT_EQ(values[i], scale * static_cast<float>(code(i) - 32)) << i;
  }
}

TEST(GgufBlocks, PlainTypesAtAnyByteAlignment) {
  const std::vector<float> values{1.0F, -2.5F, 0x1p-140F, std::numeric_limits<float>::infinity()};
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::vector<std::byte> bytes(shift + 16);
    std::memcpy(bytes.data() + shift, values.data(), 16);
    std::vector<float> read(4);
    dequantize_gguf(GgufType::kF32, bytes.data() + shift, 4, read.data());
    EXPECT_EQ(read, values);
  }
  const std::uint16_t halves[]{kOne, kMinusTwo, 0x0001, 0xFC00};
  std::vector<std::byte> bytes(9);
  std::memcpy(bytes.data() + 1, halves, 8);
  std::vector<float> read(4);
  dequantize_gguf(GgufType::kF16, bytes.data() + 1, 4, read.data());
  EXPECT_EQ(read, (std::vector<float>{1, -2, 0x1p-24F, -std::numeric_limits<float>::infinity()}));
}

TEST(GgufBlocks, RoundsToBf16NearestEven) {
  // Ties at bit 16 go to the even neighbour; NaN stays NaN.
  const std::uint32_t bits[]{0x3F808000, 0x3F818000, 0x3F808001,
                             0x7F7FFFFF, 0x7FC00000, 0x7F800001};
  std::uint16_t codes[6];
  dequantize_gguf(GgufType::kF32, reinterpret_cast<const std::byte*>(bits), 6, codes);
  EXPECT_EQ(codes[0], 0x3F80);
  EXPECT_EQ(codes[1], 0x3F82);
  EXPECT_EQ(codes[2], 0x3F81);
  EXPECT_EQ(codes[3], 0x7F80);
  EXPECT_EQ(codes[4], 0x7FC0);
  EXPECT_GT(codes[5] & 0x7FFF, 0x7F80);
}

// More blocks than a tile holds, and a tile that is not full.
TEST(GgufBlocks, ManyBlocks) {
  std::vector<BlockQ8_0> blocks(13);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = {.d = kOne, .qs = {}};
    blocks[i].qs[31] = static_cast<std::int8_t>(i + 1);
  }
  std::vector<float> values(blocks.size() * 32 + 1, -1.0F);
  dequantize_gguf(GgufType::kQ8_0, reinterpret_cast<const std::byte*>(blocks.data()), 13 * 32,
                  values.data());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(values[i * 32 + 31], static_cast<float>(i + 1));
    EXPECT_EQ(values[i * 32], 0.0F);
  }
  EXPECT_EQ(values.back(), -1.0F);
}

}  // namespace
}  // namespace lowp::checkpoint
