// Codes of 6 bits as bf16 numbers. A file of one AVX-512 level includes its formats first.
#pragma once

#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "kernels/linear_common/tables.h"
#include "kernels/linear_mxfp6/job_inl.h"

namespace lowp::kernels {
namespace {

// Of codes without their sign.
template <class Format>
alignas(64) constexpr auto kFp6Bf16 = [] {
  std::array<std::uint16_t, 32> table{};
  for (unsigned code = 0; code < 32; ++code) {
    table[code] = Bf16::from_float(Format::to_float(static_cast<std::uint8_t>(code)));
  }
  return table;
}();

// 32 codes: the bytes with each go to a word, a quarter of a vector has eight. Its magnitude is
// looked up by the low five bits, its sign is shifted to the highest. Six operations.
struct Fp6Words {
  struct Tables {
    alignas(64) std::array<std::uint32_t, 16> dwords;
    alignas(64) std::array<std::uint8_t, 64> bytes;
    alignas(64) std::array<std::uint16_t, 32> down;
    alignas(64) std::array<std::uint16_t, 32> up;
  };
  static constexpr Tables kTables = [] {
    Tables tables{};
    for (int i = 0; i < 32; ++i) {
      const int first = i / 8 * 6 / 4;  // dword of the quarter's bytes
      for (int d = 0; d < 4; ++d) tables.dwords[i / 8 * 4 + d] = first + d;
      const int bit = 6 * i;
      const int byte = bit / 8 - 4 * first;
      tables.bytes[2 * i] = static_cast<std::uint8_t>(byte);
      tables.bytes[2 * i + 1] = static_cast<std::uint8_t>(byte + 1);
      tables.down[i] = static_cast<std::uint16_t>(bit % 8);
      tables.up[i] = static_cast<std::uint16_t>(10 - bit % 8);
    }
    return tables;
  }();

  __m512i dwords = _mm512_load_si512(kTables.dwords.data());
  __m512i bytes = _mm512_load_si512(kTables.bytes.data());
  __m512i down = _mm512_load_si512(kTables.down.data());
  __m512i up = _mm512_load_si512(kTables.up.data());
  __m512i magnitudes;

  explicit Fp6Words(DType element)
      : magnitudes(_mm512_load_si512(element == DType::kF6E2M3 ? kFp6Bf16<E2m3>.data()
                                                               : kFp6Bf16<E3m2>.data())) {}

  // By the magnitudes `values`, which may have a scale.
  __m512i bf16(__m256i codes, __m512i values) const {
    const __m512i quarters = _mm512_permutexvar_epi32(dwords, _mm512_castsi256_si512(codes));
    const __m512i windows = _mm512_shuffle_epi8(quarters, bytes);
    return with_signs(_mm512_permutexvar_epi16(_mm512_srlv_epi16(windows, down), values),
                      _mm512_sllv_epi16(windows, up));
  }
  __m512i bf16(__m256i codes) const { return bf16(codes, magnitudes); }
};

template <class Codes>
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp6Args*>(from);
  const Fp6Words words(args.element);
  const std::uint8_t* codes = codes_at(args, row, k_begin);
  store_steps<Codes>(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t /*left*/) {
    return words.bf16(load_codes_32(codes + i / kBlock * kBlockBytes, kBlockBytes));
  });
}

template <class Codes>
LinearJob job_of(const LinearMxfp6Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight<Codes>;
  job.group = kBlock;
  job.group_scales = e8m0_group_scales<LinearMxfp6Args>;
  return job;
}

}  // namespace
}  // namespace lowp::kernels
