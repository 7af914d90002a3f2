// What the dequantizing kernels of block formats share: octets of codes to octets of values. Device
// code.
#pragma once

#include <cuda_bf16.h>

#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {

// Eight codes in memory order, at an address that their number of bytes divides if `aligned`.
template <class Element>
__device__ typename OctetCodes<Element>::Type load_codes(const std::uint8_t* from, bool aligned) {
  using Codes = typename OctetCodes<Element>::Type;
  if (aligned) return __ldcs(reinterpret_cast<const Codes*>(from));
  Codes codes;
  auto* bytes = reinterpret_cast<unsigned*>(&codes);
#pragma unroll
  for (unsigned w = 0; w < sizeof(Codes) / 4; ++w) {
    bytes[w] = from[4 * w] | from[4 * w + 1] << 8 | from[4 * w + 2] << 16 |
               static_cast<unsigned>(from[4 * w + 3]) << 24;
  }
  return codes;
}

__device__ inline std::uint8_t code_at(uint2 codes, int i) {
  return static_cast<std::uint8_t>((i < 4 ? codes.x : codes.y) >> (i % 4 * 8));
}
__device__ inline std::uint8_t code_at(unsigned codes, int i) {
  return static_cast<std::uint8_t>(codes >> (4 * i) & 0xFU);
}

// A code's value. Its exponent and mantissa as fp32's are the value times 2^(bias - 127), exact.
template <class Element>
__device__ float decode(std::uint8_t code) {
  constexpr std::uint32_t kMagnitude = (1U << (Element::kBits - 1)) - 1;
  constexpr float kRebias = power_of_two(127 - Element::kBias);
  const std::uint32_t sign = static_cast<std::uint32_t>(code >> (Element::kBits - 1)) << 31;
  const float scaled = from_bits((code & kMagnitude) << (23 - Element::kMantissaBits));
  return from_bits(to_bits(__fmul_rn(scaled, kRebias)) | sign);
}

template <>
__device__ inline float decode<E4m3>(std::uint8_t code) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3)));
}
template <>
__device__ inline float decode<E5m2>(std::uint8_t code) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E5M2)));
}

// Output elements: eight values rounded to nearest even.
struct Fp32Output {
  using Element = float;
  __device__ static float round(float x) { return x; }
};
struct Bf16Output {
  using Element = __nv_bfloat16;
  __device__ static __nv_bfloat16 round(float x) { return __float2bfloat16_rn(x); }
};
struct Fp16Output {
  using Element = __half;
  __device__ static __half round(float x) { return __float2half_rn(x); }
};

template <class Output>
__device__ void store_octet(typename Output::Element* to, const float (&values)[kOctet],
                            bool aligned) {
  alignas(16) typename Output::Element rounded[kOctet];
#pragma unroll
  for (int i = 0; i < kOctet; ++i) rounded[i] = Output::round(values[i]);
  if (aligned) {
#pragma unroll
    for (unsigned i = 0; i < sizeof(rounded) / 16; ++i) {
      reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(rounded)[i];
    }
  } else {
#pragma unroll
    for (int i = 0; i < kOctet; ++i) to[i] = rounded[i];
  }
}

// Calls f(Output{}) for the dtype of a result; false for any other.
template <class Function>
bool with_output(DType dtype, Function&& f) {
  switch (dtype) {
    case DType::kBF16:
      f(Bf16Output{});
      return true;
    case DType::kF16:
      f(Fp16Output{});
      return true;
    case DType::kF32:
      f(Fp32Output{});
      return true;
    default:
      return false;
  }
}

}  // namespace lowp::kernels
