// The blocks of GGUF's quantized types as they lie in a file (ggml-common.h), and their values.
// All arithmetic is fp32 in the order of the `gguf` Python package, without fused multiply-adds, so
// that results are equal to its bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "checkpoint/gguf_types.h"

namespace lowp::checkpoint {

// In all of them d, m and dmin are fp16 codes and q is the unsigned (Q8_0: signed) code.

struct BlockQ8_0 {  // d * q
  static constexpr int kElements = 32;
  std::uint16_t d;
  std::int8_t qs[32];
};

struct BlockQ4_0 {  // d * (q - 8); byte j: element j in the low nibble, j + 16 in the high one
  static constexpr int kElements = 32;
  std::uint16_t d;
  std::uint8_t qs[16];
};

struct BlockQ4_1 {  // d * q + m; nibbles as Q4_0
  static constexpr int kElements = 32;
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qs[16];
};

struct BlockQ5_0 {  // d * (q - 16); bit i of qh, little-endian, is bit 4 of element i
  static constexpr int kElements = 32;
  std::uint16_t d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

struct BlockQ5_1 {  // d * q + m
  static constexpr int kElements = 32;
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

// (d * scale) * q - (dmin * min), a scale and a min of 6 bits for each 32 elements. Byte j of 32 in
// chunk c: element 64 c + j in the low nibble, 64 c + 32 + j in the high one.
struct BlockQ4_K {
  static constexpr int kElements = 256;
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};

struct BlockQ5_K {  // as Q4_K; bit s of qh[j] is bit 4 of element 32 s + j
  static constexpr int kElements = 256;
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};

struct BlockQ6_K {  // (d * scale) * (q - 32), a scale for each 16 elements
  static constexpr int kElements = 256;
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  std::uint16_t d;
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

// `count` elements, a multiple of the type's block, from `blocks` of any byte alignment. The type
// must be one that can be dequantized.
void dequantize_gguf(GgufType type, const std::byte* blocks, std::int64_t count, float* values);
// The same rounded to bf16, to nearest even.
void dequantize_gguf(GgufType type, const std::byte* blocks, std::int64_t count,
                     std::uint16_t* values);

}  // namespace lowp::checkpoint
