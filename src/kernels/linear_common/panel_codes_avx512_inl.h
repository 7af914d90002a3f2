// Panels of AMX out of codes that lie in order along K, for files of AVX-512 levels: 16 rows of the
// weight times 64 bytes are transposed as they are, so that each lane holds a dword of codes of its
// own row, and taken apart in lanes. Instructions for the two ports that vectors have, a tile of
// 32 bf16 columns with its share of the transposition: int4 60, int8 144, e4m3 150; 30 to 75
// cycles, where a core's share of the memory takes some 100 to 200. A row's piece of a panel is 64
// to 512 bytes, too short for the hardware to read ahead: the next 16 rows' is fetched into L2
// beside this one, which takes a fifth of the time off (4096x4096, 16 rows of x, 2 threads). Into
// L1, 32 rows ahead or the next columns of the same rows are 2 to 15 % slower.
#pragma once

#include <array>
#include <cstring>

#include "kernels/linear_common/avx512_transpose_inl.h"
#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/linear_common/panels.h"

namespace lowp::kernels {
namespace {

using StepRow = std::int32_t[kAmxPanelColumns];  // a step of 16 columns, or of 32

constexpr std::int64_t kTileSteps = 16;

// A Panel is made for 16 rows from n on and columns [k_begin, k_end) and has
//   kColumns      of a step of the tiles: 2 or 4
//   kBits         of a code in memory
//   kChunkBytes   of a row that become one vector of dwords, 64 unless it has
//   row(codes)    which makes that vector out of them
//   unpack(dwords, tile, steps)   kTileDwords of them to the 16 vectors of tile `tile`; false: the
//                 rows must be decoded one by one
template <class Panel>
constexpr bool kDecodesRows = requires(const Panel& panel, const std::uint8_t* codes) {
  panel.row(codes);
};

// A tile of columns [k, k + 16 steps) by way of the rows' decoder.
template <class Panel>
[[gnu::noinline]] void fill_tile_by_rows(const LinearJob& job, std::int64_t n, std::int64_t k,
                                         std::int64_t k_end, StepRow* tile) {
  alignas(64) std::int32_t rows[kLanes][kTileSteps];
  const std::int64_t end = smaller(k + kTileSteps * Panel::kColumns, k_end);
  for (std::int64_t i = 0; i < kLanes; ++i) {
    job.decode_weight(job.args, smaller(n + i, job.n - 1), k, end, rows[i]);
  }
  transpose_square(rows, 0, tile, 0);
}

// 16 columns of a panel. Those behind the last row of the weight repeat it; their sums go nowhere.
template <class Panel>
void fill_half_panel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end,
                     StepRow* steps) {
  constexpr std::int64_t kTileColumns = kTileSteps * Panel::kColumns;
  constexpr std::int64_t kChunkBytes = Panel::kChunkBytes;
  constexpr std::int64_t kTiles = kChunkBytes * 8 / Panel::kBits / kTileColumns;
  constexpr std::int64_t kTileDwords = kLanes / kTiles;
  const Panel panel(job, n, k_begin, k_end);
  const std::int64_t bytes = ceil_div((k_end - k_begin) * Panel::kBits, 8);
  const std::uint8_t* rows[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) {
    rows[i] = static_cast<const std::uint8_t*>(job.codes) +
              smaller(n + i, job.n - 1) * job.row_bytes + k_begin * Panel::kBits / 8;
  }
  const std::int64_t ahead = kLanes * job.row_bytes;
  for (std::int64_t at = 0; at < bytes; at += kChunkBytes) {
    for (std::int64_t i = 0; i < kLanes; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(rows[i] + at + ahead), _MM_HINT_T1);
    }
    alignas(64) std::uint8_t last[kLanes][64];
    const bool whole = at + kChunkBytes <= bytes;
    if (!whole) {
      const __mmask64 lanes = first_64_lanes(bytes - at);
      for (std::int64_t i = 0; i < kLanes; ++i) {
        store_ints(last[i], _mm512_maskz_loadu_epi8(lanes, rows[i] + at));
        rows[i] = last[i] - at;
      }
    }
    const auto row = [&](std::int64_t i) { return rows[i] + at; };
    Ints dwords[kLanes];
    if constexpr (kDecodesRows<Panel>) {
      transpose_vectors([&](std::int64_t i) { return panel.row(row(i)); }, dwords);
    } else {
      transpose_memory(row, dwords);
    }
    const std::int64_t first = at * 8 / Panel::kBits / kTileColumns;
#pragma GCC unroll 4
    for (std::int64_t tile = 0; tile < kTiles; ++tile) {
      const std::int64_t k = k_begin + (first + tile) * kTileColumns;
      if (k >= k_end) break;
      StepRow* to = steps + (first + tile) * kTileSteps;
      Ints vectors[kTileSteps];
      if (panel.unpack(dwords + tile * kTileDwords, first + tile, vectors)) [[likely]] {
#pragma GCC unroll 16
        for (int i = 0; i < kTileSteps; ++i) store_ints(to[i], vectors[i]);
      } else {
        fill_tile_by_rows<Panel>(job, n, k, k_end, to);
      }
    }
  }
}

// As LinearJob::fill_panel.
template <class Panel>
void fill_amx_panel(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end,
                    std::int32_t* panel) {
  for (std::int64_t first = 0; first < kAmxPanelColumns && n + first < job.n; first += kLanes) {
    fill_half_panel<Panel>(job, n + first, k_begin, k_end,
                           reinterpret_cast<StepRow*>(panel + first));
  }
}

// codes (N, K), without gaps.
template <class Panel>
void set_amx_panel(LinearJob& job, const void* codes) {
  job.fill_panel = fill_amx_panel<Panel>;
  job.codes = codes;
  job.row_bytes = job.k * Panel::kBits / 8;
}

// What is the same for most formats.
struct Bf16Panel {
  static constexpr std::int64_t kColumns = 2;
  static constexpr std::int64_t kChunkBytes = 64;
};

// Dwords that are steps: two bf16 elements or four int8 ones.
template <std::int64_t kPerStep>
struct StepPanel {
  static constexpr std::int64_t kColumns = kPerStep;
  static constexpr std::int64_t kBits = 32 / kPerStep;
  static constexpr std::int64_t kChunkBytes = 64;
  StepPanel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
            std::int64_t /*k_end*/) {}
  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
    for (int i = 0; i < kTileSteps; ++i) steps[i] = dwords[i];
    return true;
  }
};

// `places` of a dword's bytes, the same in all dwords.
inline Ints shuffle_dwords(Ints dwords, std::uint32_t places) {
  const auto of = [places](std::uint32_t dword) {
    return static_cast<int>(places + dword * 0x04040404U);
  };
  return _mm512_shuffle_epi8(dwords, _mm512_set4_epi32(of(3), of(2), of(1), of(0)));
}

// Bytes less `offset` as two steps. A byte is put below the exponent of a power of two, whose
// mantissa's bit it then is.
inline void bytes_to_bf16(Ints dwords, float offset, Ints* steps) {
  constexpr int kAndOr = 0xEA;  // (a & b) | c
  const auto pair = [&](Ints bytes) {
    const Ints first =
        _mm512_ternarylogic_epi32(bytes, broadcast(0xFF), broadcast(0x4B000000), kAndOr);
    const Ints second =
        _mm512_ternarylogic_epi32(bytes, broadcast(0xFF00), broadcast(0x47000000), kAndOr);
    const Floats low = subtract(_mm512_castsi512_ps(first), broadcast(0x1p23F + offset));
    const Floats high = subtract(_mm512_castsi512_ps(second), broadcast(0x1p15F + offset));
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16),
                           _mm512_castps_si512(high));
  };
  steps[0] = pair(dwords);
  steps[1] = pair(_mm512_srli_epi32(dwords, 16));
}

struct Int8Panel : Bf16Panel {
  static constexpr std::int64_t kBits = 8;
  Int8Panel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
            std::int64_t /*k_end*/) {}
  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
    const Ints offset = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      bytes_to_bf16(_mm512_xor_si512(dwords[i], offset), 128.0F, steps + 2 * i);
    }
    return true;
  }
};

// e4m3 codes times a power of two as bf16 magnitudes with signs: exponent and mantissa moved to
// their places, but for subnormals.
struct E4m3Steps {
  Ints shift;    // of exponents
  Ints special;  // the magnitudes of codes below 8

  // In both bytes of each word.
  Ints magnitudes(Ints words) const {
    const Ints moved = _mm512_and_si512(_mm512_srli_epi16(words, 4), _mm512_set1_epi16(0x07F0));
    const __mmask32 subnormal = _mm512_testn_epi16_mask(words, _mm512_set1_epi16(0x7800));
    return _mm512_mask_permutexvar_epi16(_mm512_add_epi16(moved, shift), subnormal, words, special);
  }

  // Whether there is a NaN among a tile's codes.
  static bool has_nan(const Ints* dwords) {
    const Ints magnitude = _mm512_set1_epi8(0x7F);
    Ints largest = _mm512_and_si512(dwords[0], magnitude);
#pragma GCC unroll 7
    for (int i = 1; i < 8; ++i) {
      largest = _mm512_max_epu8(largest, _mm512_and_si512(dwords[i], magnitude));
    }
    return _mm512_cmpeq_epi8_mask(largest, magnitude) != 0;
  }
};

struct E4m3Panel : Bf16Panel {
  static constexpr std::int64_t kBits = 8;
  E4m3Steps codes{_mm512_set1_epi16(E4m3Table::kExponentShift),
                  _mm512_load_si512(kE4m3Special.data())};
  E4m3Panel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
            std::int64_t /*k_end*/) {}
  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
    if (E4m3Steps::has_nan(dwords)) [[unlikely]]
      return false;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const Ints first = shuffle_dwords(dwords[i], 0x01010000);
      const Ints second = shuffle_dwords(dwords[i], 0x03030202);
      steps[2 * i] = with_signs(codes.magnitudes(first), first);
      steps[2 * i + 1] = with_signs(codes.magnitudes(second), second);
    }
    return true;
  }
};

// e5m2: the bits are moved by one place less than those of e4m3, and the exponents of infinities
// and NaN would have to move on.
struct E5m2Panel : Bf16Panel {
  static constexpr std::int64_t kBits = 8;
  Ints shift = _mm512_set1_epi16((127 - 15) << 7);
  Ints special = _mm512_load_si512(kE5m2Special.data());
  E5m2Panel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
            std::int64_t /*k_end*/) {}

  // Of codes in both bytes of each word.
  Ints bf16(Ints words) const {
    const Ints moved = _mm512_and_si512(_mm512_srli_epi16(words, 3), _mm512_set1_epi16(0x0FE0));
    const __mmask32 subnormal = _mm512_testn_epi16_mask(words, _mm512_set1_epi16(0x7C00));
    const Ints magnitudes =
        _mm512_mask_permutexvar_epi16(_mm512_add_epi16(moved, shift), subnormal, words, special);
    return with_signs(magnitudes, words);
  }

  static bool all_finite(const Ints* dwords) {
    Ints largest = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      largest = _mm512_max_epu8(largest, _mm512_and_si512(dwords[i], _mm512_set1_epi8(0x7F)));
    }
    return _mm512_cmpge_epu8_mask(largest, _mm512_set1_epi8(0x7C)) == 0;
  }

  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
    if (!all_finite(dwords)) [[unlikely]]
      return false;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      steps[2 * i] = bf16(shuffle_dwords(dwords[i], 0x01010000));
      steps[2 * i + 1] = bf16(shuffle_dwords(dwords[i], 0x03030202));
    }
    return true;
  }
};

// The two words of dwords that hold codes of 1, 2 or 4 bits, shifted so that step i's codes are the
// low bits of its words.
template <int kBits>
struct FieldShifts {
  static constexpr int kSteps = 8 / kBits;  // of a word
  Ints shifts[kSteps];
  FieldShifts() {
    for (int i = 0; i < kSteps; ++i) {
      shifts[i] = broadcast((2 * i * kBits) | (2 * i + 1) * kBits << 16);
    }
  }

  // steps: 2 * kSteps
  void split(Ints dwords, Ints* steps) const {
    const Ints low = _mm512_mask_blend_epi16(0xAAAAAAAA, dwords, _mm512_slli_epi32(dwords, 16));
    const Ints high = shuffle_dwords(dwords, 0x03020302);
#pragma GCC unroll 8
    for (int i = 0; i < kSteps; ++i) {
      steps[i] = _mm512_srlv_epi16(low, shifts[i]);
      steps[kSteps + i] = _mm512_srlv_epi16(high, shifts[i]);
    }
  }
};

// Codes of 1, 2 or 4 bits by a table of 32 words, of which a look-up takes the low five bits of
// each word.
template <int kCodeBits>
struct TablePanel : Bf16Panel {
  static constexpr std::int64_t kBits = kCodeBits;
  FieldShifts<kCodeBits> fields;
  Ints table;
  explicit TablePanel(const std::array<std::uint16_t, 32>& values)
      : table(_mm512_load_si512(values.data())) {}
  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
    constexpr int kPerDword = 16 / kCodeBits;
#pragma GCC unroll 4
    for (int i = 0; i < kCodeBits; ++i) {
      fields.split(dwords[i], steps + i * kPerDword);
#pragma GCC unroll 16
      for (int j = 0; j < kPerDword; ++j) {
        Ints& step = steps[i * kPerDword + j];
        step = _mm512_permutexvar_epi16(step, table);
      }
    }
    return true;
  }
};

}  // namespace
}  // namespace lowp::kernels
