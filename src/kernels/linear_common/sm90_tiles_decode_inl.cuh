// Codes of quantized weights to pairs of bf16 or fp16, in registers of the wgmma operand A. Exact:
// scales come afterwards.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/runtime/sm90_wgmma_inl.cuh"

namespace lowp::kernels::tiles {
namespace {

// Two numbers in 32 bits, the lower the earlier.
struct Bf16Pair {
  using Operands = sm90::Bf16Bf16;

  __device__ static unsigned add(unsigned a, unsigned b) {
    unsigned sum;
    asm("add.rn.bf16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
  }
  __device__ static unsigned multiply(unsigned a, unsigned b) {
    unsigned product;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(product) : "r"(a), "r"(b));
    return product;
  }
  __device__ static unsigned multiply_add(unsigned a, unsigned b, unsigned c) {
    unsigned sum;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
    return sum;
  }
  __device__ static float2 to_floats(unsigned pair) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xFFFF0000U)};
  }
  __device__ static unsigned from_floats(float low, float high) {
    unsigned pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
  }
};

struct Fp16Pair {
  using Operands = sm90::Fp16Fp16;

  __device__ static unsigned add(unsigned a, unsigned b) {
    unsigned sum;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
  }
  __device__ static unsigned multiply(unsigned a, unsigned b) {
    unsigned product;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(product) : "r"(a), "r"(b));
    return product;
  }
  __device__ static float2 to_floats(unsigned pair) {
    float2 values;
    asm("{\n .reg .b16 l, h;\n mov.b32 {l, h}, %2;\n cvt.f32.f16 %0, l;\n cvt.f32.f16 %1, h;\n}\n"
        : "=f"(values.x), "=f"(values.y)
        : "r"(pair));
    return values;
  }
  __device__ static unsigned from_floats(float low, float high) {
    unsigned pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
  }
};

// (a & b) ^ c and (a & b) | c, one instruction each also where b and c are constants.
__device__ inline unsigned and_xor(unsigned a, unsigned b, unsigned c) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6A;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}
__device__ inline unsigned and_or(unsigned a, unsigned b, unsigned c) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}

// The bits of a where `mask` is set, else of b.
__device__ inline unsigned select(unsigned a, unsigned b, unsigned mask) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0xE4;" : "=r"(result) : "r"(a), "r"(b), "r"(mask));
  return result;
}

// The low two bytes of `codes`, NaN included.
__device__ inline unsigned e4m3_to_fp16(unsigned codes) {
  unsigned pair;
  asm("{\n .reg .b16 l, h;\n mov.b32 {l, h}, %1;\n cvt.rn.f16x2.e4m3x2 %0, l;\n}\n"
      : "=r"(pair)
      : "r"(codes));
  return pair;
}

template <class Pair>
__device__ unsigned e4m3_to_pair(unsigned codes) {
  const unsigned pair = e4m3_to_fp16(codes);
  if constexpr (std::is_same_v<Pair, Fp16Pair>) {
    return pair;
  } else {
    const float2 values = Fp16Pair::to_floats(pair);
    return Pair::from_floats(values.x, values.y);
  }
}

// A format of codes. Of 16 bytes of a row (a chunk), which begin as they lie in memory, each lane c
// of a quad needs columns 2c, 2c + 1 of every 8.
//   spread()   a word for each lane, in the order that decodes in the fewest instructions
//   decode()   of such a word 16 columns: two pairs, 8 columns apart; `half` of 32 columns

struct FourBitCodes {
  static constexpr unsigned kBits = 4;

  // Nibble i of a lane's word is the even column of the i-th 8, nibble 4 + i the odd one.
  __device__ static void spread(const uint4& chunk, unsigned (&words)[4]) {
    constexpr unsigned kLow = 0x0F0F0F0FU;
    // Byte c: of two eights the column 2c, or 2c + 1.
    const unsigned even[2] = {select(chunk.x, chunk.y << 4, kLow),
                              select(chunk.z, chunk.w << 4, kLow)};
    const unsigned odd[2] = {select(chunk.x >> 4, chunk.y, kLow),
                             select(chunk.z >> 4, chunk.w, kLow)};
#pragma unroll
    for (unsigned pair = 0; pair < 2; ++pair) {
      const unsigned lanes = pair == 0 ? 0x5140 : 0x7362;  // bytes of lanes 0 and 1, or 2 and 3
      const unsigned evens = __byte_perm(even[0], even[1], lanes);
      const unsigned odds = __byte_perm(odd[0], odd[1], lanes);
      words[2 * pair] = __byte_perm(evens, odds, 0x5410);
      words[2 * pair + 1] = __byte_perm(evens, odds, 0x7632);
    }
  }
};

struct Int4Codes : FourBitCodes {
  template <class Pair>
  __device__ static void decode(unsigned word, unsigned half, unsigned (&pairs)[2]) {
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
      const unsigned nibbles = word >> (8 * half + 4 * i);
      if constexpr (std::is_same_v<Pair, Fp16Pair>) {
        pairs[i] = Pair::add(and_xor(nibbles, 0x000F000FU, 0x64086408U), 0xE408E408U);  // 1032
      } else {
        pairs[i] = Pair::add(and_xor(nibbles, 0x000F000FU, 0x43084308U), 0xC308C308U);  // 136
      }
    }
  }
};

// Sign at the top, the lower exponent bits and the upper mantissa bit of the operand's type below:
// 2^126 or, fp16, 2^14 times too small, 0.5 as a subnormal number.
struct SmallE2m1Codes : FourBitCodes {
  template <class Pair>
  __device__ static void decode(unsigned word, unsigned half, unsigned (&pairs)[2]) {
    constexpr bool kIsFp16 = std::is_same_v<Pair, Fp16Pair>;
    constexpr int kDown = kIsFp16 ? 3 : 6;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int up = 12 - 8 * static_cast<int>(half) - 4 * i;  // of the code, to the top
      const int by = up - kDown;
      const unsigned magnitude =
          (by >= 0 ? word << (by >= 0 ? by : 0) : word >> (by < 0 ? -by : 0)) &
          (kIsFp16 ? 0x0E000E00U : 0x01C001C0U);
      pairs[i] = and_or(word << up, 0x80008000U, magnitude);
    }
  }
};

struct E2m1Codes : FourBitCodes {
  template <class Pair>
  __device__ static void decode(unsigned word, unsigned half, unsigned (&pairs)[2]) {
    SmallE2m1Codes::decode<Pair>(word, half, pairs);
#pragma unroll
    for (unsigned& pair : pairs) {
      pair = Pair::multiply(pair, std::is_same_v<Pair, Fp16Pair> ? 0x74007400U : 0x7E807E80U);
    }
  }
};

// Two bytes of each of two words: the lower ones or the upper ones.
template <unsigned kLower, unsigned kUpper>
__device__ void spread_bytes(const uint4& chunk, unsigned (&words)[4]) {
  words[0] = __byte_perm(chunk.x, chunk.z, kLower);
  words[1] = __byte_perm(chunk.x, chunk.z, kUpper);
  words[2] = __byte_perm(chunk.y, chunk.w, kLower);
  words[3] = __byte_perm(chunk.y, chunk.w, kUpper);
}

// Bytes 0 and 2 of a lane's word are a pair, and 1 and 3.
struct Int8Codes {
  static constexpr unsigned kBits = 8;
  __device__ static void spread(const uint4& chunk, unsigned (&words)[4]) {
    spread_bytes<0x5140, 0x7362>(chunk, words);
  }
  template <class Pair>
  __device__ static void decode(unsigned word, unsigned, unsigned (&pairs)[2]) {
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
      const unsigned bytes = word >> 8 * i;
      if constexpr (std::is_same_v<Pair, Fp16Pair>) {
        pairs[i] = Pair::add(and_xor(bytes, 0x00FF00FFU, 0x64806480U), 0xE480E480U);  // 1152 + code
      } else {
        // 128 + the low seven bits, less 128 or, its exponent's last bit being the sign, 256.
        pairs[i] = Pair::add(and_or(bytes, 0x007F007FU, 0x43004300U),
                             and_or(bytes, 0x00800080U, 0xC300C300U));
      }
    }
  }
};

// Bytes 0 and 1 are a pair, and 2 and 3.
struct E4m3Codes {
  static constexpr unsigned kBits = 8;
  __device__ static void spread(const uint4& chunk, unsigned (&words)[4]) {
    spread_bytes<0x5410, 0x7632>(chunk, words);
  }
  template <class Pair>
  __device__ static void decode(unsigned word, unsigned, unsigned (&pairs)[2]) {
    pairs[0] = e4m3_to_pair<Pair>(word);
    pairs[1] = e4m3_to_pair<Pair>(word >> 16);
  }
};

}  // namespace
}  // namespace lowp::kernels::tiles
