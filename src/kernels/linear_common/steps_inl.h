// Rows of codes to steps, for what the levels of an operation share: `Codes`, a format of
// rows_inl.h, says what a step is. For files of AVX-512 levels: internal linkage.
#pragma once

#include "kernels/linear_common/decode_inl.h"

namespace lowp::kernels {
namespace {

template <class Codes, class Get>
void store_steps(std::int64_t count, std::int32_t* steps, const Get& get) {
  if constexpr (Codes::kElementsPerStep == 2) {
    store_bf16(count, steps, get);
  } else {
    store_fp32(count, steps, get);
  }
}

template <class Codes>
void e4m3_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  const E4m3Table table;
  store_steps<Codes>(count, steps, [&](std::int64_t i, std::int64_t left) {
    return table.bf16(load_codes_32(codes + i, left));
  });
}

template <class Codes>
void e5m2_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  store_steps<Codes>(count, steps, [&](std::int64_t i, std::int64_t left) {
    return e5m2_to_bf16(load_codes_32(codes + i, left));
  });
}

template <class Codes>
void e2m1_to_steps(const std::uint8_t* codes, std::int64_t count, std::int32_t* steps) {
  const __m512i table = _mm512_load_si512(kE2m1Bf16.data());
  store_steps<Codes>(count, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

}  // namespace
}  // namespace lowp::kernels
