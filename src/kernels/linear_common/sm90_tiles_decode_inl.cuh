// Codes of quantized weights to pairs of bf16 or fp16, in registers of the wgmma operand A: a lane
// needs columns 2c, 2c + 1 of every 8, c = lane % 4. Exact: scales come afterwards.
#pragma once

#include <cuda_runtime.h>

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

// A format: bits of a code and how they decode. kBits = 4: `pair(word, c)` decodes byte c of a word
// of 8 codes; kBits = 8: `pair(low, high, c)` bytes 2c, 2c + 1 of 8 codes.

struct Int4Codes {
  static constexpr unsigned kBits = 4;
  template <class Pair>
  __device__ static unsigned pair(unsigned word, unsigned c) {
    const unsigned nibbles = __byte_perm(word, word >> 4, c | (4 + c) << 8);
    if constexpr (std::is_same_v<Pair, Fp16Pair>) {
      return Pair::add(and_xor(nibbles, 0x000F000FU, 0x64086408U), 0xE408E408U);  // 1032 + code
    } else {
      return Pair::add(and_xor(nibbles, 0x000F000FU, 0x43084308U), 0xC308C308U);  // 136 + code
    }
  }
};

struct E2m1Codes {
  static constexpr unsigned kBits = 4;
  template <class Pair>
  __device__ static unsigned pair(unsigned word, unsigned c) {
    const unsigned upper = __byte_perm(word << 4, word, c << 4 | (4 + c) << 12);
    if constexpr (std::is_same_v<Pair, Fp16Pair>) {
      const unsigned magnitude = (upper >> 3) & 0x0E000E00U;
      return Pair::multiply(and_or(upper, 0x80008000U, magnitude), 0x74007400U);  // 2^14
    } else {
      const unsigned magnitude = (upper >> 6) & 0x01C001C0U;
      return Pair::multiply(and_or(upper, 0x80008000U, magnitude), 0x7E807E80U);  // 2^126
    }
  }
};

struct Int8Codes {
  static constexpr unsigned kBits = 8;
  template <class Pair>
  __device__ static unsigned pair(unsigned low, unsigned high, unsigned c) {
    const unsigned bytes = __byte_perm(low, high, 2 * c | (2 * c + 1) << 8);
    if constexpr (std::is_same_v<Pair, Fp16Pair>) {
      return Pair::add(and_xor(bytes, 0x00FF00FFU, 0x64806480U), 0xE480E480U);  // 1152 + code
    } else {
      // 128 + the low seven bits, less 128 or, its exponent's last bit being the sign, 256.
      return Pair::add(and_or(bytes, 0x007F007FU, 0x43004300U),
                       and_or(bytes, 0x00800080U, 0xC300C300U));
    }
  }
};

struct E4m3Codes {
  static constexpr unsigned kBits = 8;
  template <class Pair>
  __device__ static unsigned pair(unsigned low, unsigned high, unsigned c) {
    return e4m3_to_pair<Pair>(__byte_perm(low, high, 2 * c | (2 * c + 1) << 4));
  }
};

}  // namespace
}  // namespace lowp::kernels::tiles
