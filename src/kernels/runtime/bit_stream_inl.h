// Bytes to a bit stream (formats/packing.h) and back, eight codes at a time, for the quantize and
// dequantize kernels. Internal linkage: each file keeps its own copy under its own flags.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace lowp::kernels {
namespace {

// The low `width` bits of every field of `spacing` bits.
constexpr std::uint64_t low_bits_of_fields(int width, int spacing) {
  std::uint64_t mask = 0;
  for (int i = 0; i < 64; i += spacing) mask |= ((std::uint64_t{1} << width) - 1) << i;
  return mask;
}

// Every second field of `width` bits moves beside the one before it.
template <int kWidth, int kSpacing>
inline std::uint64_t join_fields(std::uint64_t x) {
  constexpr std::uint64_t kEven = low_bits_of_fields(kWidth, 2 * kSpacing);
  return (x & kEven) | (x >> (kSpacing - kWidth) & kEven << kWidth);
}
template <int kWidth, int kSpacing>
inline std::uint64_t split_fields(std::uint64_t x) {
  constexpr std::uint64_t kEven = low_bits_of_fields(kWidth, 2 * kSpacing);
  return (x & kEven) | (x & kEven << kWidth) << (kSpacing - kWidth);
}

// 8 * octets bytes below 2^kBits to kBits * octets bytes.
template <int kBits>
void pack_octets(const std::uint8_t* codes, std::int64_t octets, std::uint8_t* stream) {
  for (std::int64_t i = 0; i < octets; ++i) {
    std::uint64_t x;
    std::memcpy(&x, codes + 8 * i, sizeof(x));
    x = join_fields<kBits, 8>(x);
    x = join_fields<2 * kBits, 16>(x);
    x = join_fields<4 * kBits, 32>(x);
    std::memcpy(stream + kBits * i, &x, kBits);
  }
}

template <int kBits>
void unpack_octets(const std::uint8_t* stream, std::int64_t octets, std::uint8_t* codes) {
  for (std::int64_t i = 0; i < octets; ++i) {
    std::uint64_t x = 0;
    std::memcpy(&x, stream + kBits * i, kBits);
    x = split_fields<4 * kBits, 32>(x);
    x = split_fields<2 * kBits, 16>(x);
    x = split_fields<kBits, 8>(x);
    std::memcpy(codes + 8 * i, &x, sizeof(x));
  }
}

using OctetLoop = void (*)(const std::uint8_t* from, std::int64_t octets, std::uint8_t* to);

constexpr auto kPackOctets = []<int... kBit>(std::integer_sequence<int, kBit...>) {
  return std::array<OctetLoop, sizeof...(kBit)>{pack_octets<kBit + 1>...};
}
(std::make_integer_sequence<int, 7>{});
constexpr auto kUnpackOctets = []<int... kBit>(std::integer_sequence<int, kBit...>) {
  return std::array<OctetLoop, sizeof...(kBit)>{unpack_octets<kBit + 1>...};
}
(std::make_integer_sequence<int, 7>{});

inline OctetLoop packer(int bits) { return kPackOctets[static_cast<std::size_t>(bits - 1)]; }
inline OctetLoop unpacker(int bits) { return kUnpackOctets[static_cast<std::size_t>(bits - 1)]; }

// Columns that are packed or unpacked at once.
constexpr std::int64_t kStreamColumns = 512;

}  // namespace
}  // namespace lowp::kernels
