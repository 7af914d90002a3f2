#include "checkpoint/gguf_blocks.h"

#include <algorithm>
#include <cstring>

#include "formats/bf16.h"
#include "formats/fp16.h"

namespace lowp::checkpoint {
namespace {

// Unquantized types are read as blocks of one.
struct PlainF32 {
  static constexpr int kElements = 1;
  float value;
};
struct PlainF16 {
  static constexpr int kElements = 1;
  std::uint16_t code;
};
struct PlainBf16 {
  static constexpr int kElements = 1;
  std::uint16_t code;
};

// Each expand() writes the kElements values of one block.

void expand(const PlainF32& block, float* values) { values[0] = block.value; }
void expand(const PlainF16& block, float* values) { values[0] = Fp16::to_float(block.code); }
void expand(const PlainBf16& block, float* values) { values[0] = Bf16::to_float(block.code); }

void expand(const BlockQ8_0& block, float* values) {
  const float d = Fp16::to_float(block.d);
  for (int i = 0; i < 32; ++i) values[i] = d * static_cast<float>(block.qs[i]);
}

void expand(const BlockQ4_0& block, float* values) {
  const float d = Fp16::to_float(block.d);
  for (int i = 0; i < 16; ++i) {
    values[i] = d * static_cast<float>((block.qs[i] & 0xF) - 8);
    values[i + 16] = d * static_cast<float>((block.qs[i] >> 4) - 8);
  }
}

void expand(const BlockQ4_1& block, float* values) {
  const float d = Fp16::to_float(block.d);
  const float m = Fp16::to_float(block.m);
  for (int i = 0; i < 16; ++i) {
    values[i] = d * static_cast<float>(block.qs[i] & 0xF) + m;
    values[i + 16] = d * static_cast<float>(block.qs[i] >> 4) + m;
  }
}

// The 32 codes of 5 bits of Q5_0 and Q5_1.
template <class Block>
void unpack_5_bits(const Block& block, int* codes) {
  std::uint32_t high;
  std::memcpy(&high, block.qh, sizeof(high));
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<int>((block.qs[i] & 0xFU) | ((high >> i) & 1U) << 4);
    codes[i + 16] =
        static_cast<int>(static_cast<unsigned>(block.qs[i] >> 4) | ((high >> (i + 16)) & 1U) << 4);
  }
}

void expand(const BlockQ5_0& block, float* values) {
  int codes[32];
  unpack_5_bits(block, codes);
  const float d = Fp16::to_float(block.d);
  for (int i = 0; i < 32; ++i) values[i] = d * static_cast<float>(codes[i] - 16);
}

void expand(const BlockQ5_1& block, float* values) {
  int codes[32];
  unpack_5_bits(block, codes);
  const float d = Fp16::to_float(block.d);
  const float m = Fp16::to_float(block.m);
  for (int i = 0; i < 32; ++i) values[i] = d * static_cast<float>(codes[i]) + m;
}

// The scales and mins of Q4_K and Q5_K, multiplied by d and dmin. Of 8 sub-blocks the first four
// have their 6 bits together; the others have the low 4 in bytes 8 to 11 (scale in the low nibble)
// and the high 2 on top of the bytes of the first four.
struct SubBlocks {
  float scale[8];
  float min[8];
};

template <class Block>
SubBlocks sub_blocks(const Block& block) {
  const float d = Fp16::to_float(block.d);
  const float dmin = Fp16::to_float(block.dmin);
  SubBlocks sub;
  for (int i = 0; i < 4; ++i) {
    const unsigned scale = block.scales[i];
    const unsigned min = block.scales[i + 4];
    const unsigned low = block.scales[i + 8];
    sub.scale[i] = d * static_cast<float>(scale & 0x3F);
    sub.min[i] = dmin * static_cast<float>(min & 0x3F);
    sub.scale[i + 4] = d * static_cast<float>((low & 0xF) | ((scale >> 2) & 0x30));
    sub.min[i + 4] = dmin * static_cast<float>((low >> 4) | ((min >> 2) & 0x30));
  }
  return sub;
}

void expand(const BlockQ4_K& block, float* values) {
  const SubBlocks sub = sub_blocks(block);
  for (int s = 0; s < 8; ++s) {
    const std::uint8_t* bytes = block.qs + s / 2 * 32;
    const int shift = s % 2 * 4;
    for (int j = 0; j < 32; ++j) {
      const int code = (bytes[j] >> shift) & 0xF;
      values[s * 32 + j] = sub.scale[s] * static_cast<float>(code) - sub.min[s];
    }
  }
}

void expand(const BlockQ5_K& block, float* values) {
  const SubBlocks sub = sub_blocks(block);
  for (int s = 0; s < 8; ++s) {
    const std::uint8_t* bytes = block.qs + s / 2 * 32;
    const int shift = s % 2 * 4;
    for (int j = 0; j < 32; ++j) {
      const int code = ((bytes[j] >> shift) & 0xF) | ((block.qh[j] >> s) & 1) << 4;
      values[s * 32 + j] = sub.scale[s] * static_cast<float>(code) - sub.min[s];
    }
  }
}

// Halves of 128 elements. Sub-block s of 4 has 32 elements: the low 4 bits in 32 of the half's 64
// bytes of ql (first all low nibbles, then all high ones), the high 2 at bit 2 s of its 32 bytes
// of qh.
void expand(const BlockQ6_K& block, float* values) {
  const float d = Fp16::to_float(block.d);
  for (int s = 0; s < 8; ++s) {
    const int half = s / 4;
    const std::uint8_t* low = block.ql + half * 64 + s % 2 * 32;
    const std::uint8_t* high = block.qh + half * 32;
    const int low_shift = s % 4 / 2 * 4;
    const int high_shift = s % 4 * 2;
    for (int j = 0; j < 32; ++j) {
      const int code = ((low[j] >> low_shift) & 0xF) | ((high[j] >> high_shift) & 3) << 4;
      const int group = s * 2 + j / 16;
      const float scale = d * static_cast<float>(block.scales[group]);
      values[s * 32 + j] = scale * static_cast<float>(code - 32);
    }
  }
}

void store(const float* values, int count, float* out) {
  std::memcpy(out, values, sizeof(float) * static_cast<std::size_t>(count));
}

void store(const float* values, int count, std::uint16_t* out) {
  for (int i = 0; i < count; ++i) out[i] = Bf16::from_float(values[i]);
}

// Goes through tiles of 256 elements: the copy makes blocks aligned, and store() vectorizes.
template <class Block, class Out>
void dequantize_blocks(const std::byte* source, std::int64_t count, Out* out) {
  constexpr int kTileElements = 256;
  constexpr int kTileBlocks = kTileElements / Block::kElements;
  Block tile[kTileBlocks];
  float values[kTileElements];
  for (std::int64_t done = 0; done < count; done += kTileElements) {
    const int elements = static_cast<int>(std::min<std::int64_t>(kTileElements, count - done));
    const int blocks = elements / Block::kElements;
    const std::size_t bytes = sizeof(Block) * static_cast<std::size_t>(blocks);
    std::memcpy(tile, source, bytes);
    for (int i = 0; i < blocks; ++i) expand(tile[i], values + i * Block::kElements);
    store(values, elements, out + done);
    source += bytes;
  }
}

template <class Out>
void dequantize(GgufType type, const std::byte* blocks, std::int64_t count, Out* values) {
  switch (type) {
    case GgufType::kF32:
      return dequantize_blocks<PlainF32>(blocks, count, values);
    case GgufType::kF16:
      return dequantize_blocks<PlainF16>(blocks, count, values);
    case GgufType::kBF16:
      return dequantize_blocks<PlainBf16>(blocks, count, values);
    case GgufType::kQ8_0:
      return dequantize_blocks<BlockQ8_0>(blocks, count, values);
    case GgufType::kQ4_0:
      return dequantize_blocks<BlockQ4_0>(blocks, count, values);
    case GgufType::kQ4_1:
      return dequantize_blocks<BlockQ4_1>(blocks, count, values);
    case GgufType::kQ5_0:
      return dequantize_blocks<BlockQ5_0>(blocks, count, values);
    case GgufType::kQ5_1:
      return dequantize_blocks<BlockQ5_1>(blocks, count, values);
    case GgufType::kQ4_K:
      return dequantize_blocks<BlockQ4_K>(blocks, count, values);
    case GgufType::kQ5_K:
      return dequantize_blocks<BlockQ5_K>(blocks, count, values);
    case GgufType::kQ6_K:
      return dequantize_blocks<BlockQ6_K>(blocks, count, values);
  }
}

}  // namespace

void dequantize_gguf(GgufType type, const std::byte* blocks, std::int64_t count, float* values) {
  dequantize(type, blocks, count, values);
}

void dequantize_gguf(GgufType type, const std::byte* blocks, std::int64_t count,
                     std::uint16_t* values) {
  dequantize(type, blocks, count, values);
}

}  // namespace lowp::checkpoint
