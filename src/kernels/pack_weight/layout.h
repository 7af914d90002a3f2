// Packed weights: 8 rows side by side, so that a vector of AVX2 has a row in each lane. Rows of
// dwords, as the plain layout has them, become (N / 8, dwords, 8), and the scales of groups
// (N / 8, groups, 8):
//
//   row 0   a0 a1 a2 ..             a0 b0 c0 .. h0  a1 b1 c1 .. h1  a2 ..
//   row 1   b0 b1 b2 ..      =>
//   ..                              a letter and number: 4 bytes of codes, or one scale
//   row 7   h0 h1 h2 ..
//
// Within a dword nothing moves, so one layout serves codes of every width.
#pragma once

#include <cstdint>

namespace lowp::kernels {

inline constexpr std::int64_t kPackedRows = 8;
inline constexpr std::int64_t kPackedBytes = 4;  // of a row that stay together

// Where element `at` of row n is, of rows of `length` elements.
constexpr std::int64_t packed_element(std::int64_t n, std::int64_t at, std::int64_t length) {
  return (n / kPackedRows * length + at) * kPackedRows + n % kPackedRows;
}

// The same of byte `at` of rows of dwords.
constexpr std::int64_t packed_byte(std::int64_t n, std::int64_t at, std::int64_t row_bytes) {
  return packed_element(n, at / kPackedBytes, row_bytes / kPackedBytes) * kPackedBytes +
         at % kPackedBytes;
}

// Levels without kernels for packed weights leave them to AVX2; their other refusals follow.
template <class Args>
const char* refuse_packed(const Args& args, const char* (*other)(const Args&)) {
  return args.packed ? "the weight is packed" : other(args);
}

}  // namespace lowp::kernels
