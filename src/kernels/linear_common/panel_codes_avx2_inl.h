// Panels out of codes that lie in order along K, for files of level avx2: 8 rows of the weight
// times 32 bytes are transposed as they are, so that each lane holds a dword of codes of its own
// row, and taken apart in lanes. Bound by its stores, one a cycle: a vector takes one shuffle or
// less, where transposed steps take three, and 1 to 3 operations to take apart, 5 as fp8 or e2m1.
#pragma once

#include <cstring>

#include "kernels/linear_common/avx2_tile_inl.h"
#include "kernels/linear_common/decode_avx2_inl.h"
#include "kernels/linear_common/job.h"
#include "kernels/pack_weight/layout.h"

namespace lowp::kernels {
namespace {

// unpack(dwords, steps): the steps that a dword of each row holds. kUnit: LinearJob::unit.
struct Bf16Panel {
  static constexpr std::int64_t kBits = 16;
  static constexpr int kSteps = 2;
  static void unpack(Ints dwords, Floats* steps) {
    steps[0] = _mm256_castsi256_ps(_mm256_slli_epi32(dwords, 16));
    steps[1] =
        _mm256_castsi256_ps(_mm256_and_si256(dwords, broadcast(static_cast<int>(0xFFFF0000))));
  }
};

struct Int8Panel {
  static constexpr std::int64_t kBits = 8;
  static constexpr int kSteps = 4;
  static void unpack(Ints dwords, Floats* steps) {
    steps[0] = to_floats(_mm256_srai_epi32(_mm256_slli_epi32(dwords, 24), 24));
    steps[1] = to_floats(_mm256_srai_epi32(_mm256_slli_epi32(dwords, 16), 24));
    steps[2] = to_floats(_mm256_srai_epi32(_mm256_slli_epi32(dwords, 8), 24));
    steps[3] = to_floats(_mm256_srai_epi32(dwords, 24));
  }
};

struct E4m3Panel {
  static constexpr std::int64_t kBits = 8;
  static constexpr int kSteps = 4;
  static void unpack(Ints dwords, Floats* steps) {
    const Ints high[kSteps] = {_mm256_slli_epi32(dwords, 24), _mm256_slli_epi32(dwords, 16),
                               _mm256_slli_epi32(dwords, 8), dwords};
    const Ints signs = _mm256_set1_epi8(static_cast<char>(0x80));
    const Ints nan = _mm256_cmpeq_epi8(_mm256_or_si256(dwords, signs), _mm256_set1_epi8(-1));
    if (_mm256_testz_si256(nan, nan) == 0) [[unlikely]] {
      for (int i = 0; i < kSteps; ++i) steps[i] = e4m3_to_fp32(high[i]);
      return;
    }
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      const Ints bits =
          _mm256_and_si256(_mm256_srai_epi32(high[i], 4), broadcast(static_cast<int>(0x87F00000)));
      steps[i] = multiply(_mm256_castsi256_ps(bits), broadcast(0x1p120F));
    }
  }
};

// As E4m3Panel; infinities and NaN, whose exponent fp32 has elsewhere, get it in one operation
// more.
struct E5m2Panel {
  static constexpr std::int64_t kBits = 8;
  static constexpr int kSteps = 4;
  static void unpack(Ints dwords, Floats* steps) {
    const Ints high[kSteps] = {_mm256_slli_epi32(dwords, 24), _mm256_slli_epi32(dwords, 16),
                               _mm256_slli_epi32(dwords, 8), dwords};
    const Ints infinity = broadcast(0x0F800000);
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      const Ints bits =
          _mm256_and_si256(_mm256_srai_epi32(high[i], 3), broadcast(static_cast<int>(0x8FE00000)));
      const Ints beyond = _mm256_cmpeq_epi32(_mm256_and_si256(bits, infinity), infinity);
      const Floats value = multiply(_mm256_castsi256_ps(bits), broadcast(0x1p112F));
      steps[i] =
          _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_and_si256(beyond, broadcast(0x7F800000))));
    }
  }
};

struct Int4Panel {
  static constexpr std::int64_t kBits = 4;
  static constexpr int kSteps = 8;
  static void unpack(Ints dwords, Floats* steps) {
#pragma GCC unroll 8
    for (int i = 0; i < kSteps; ++i) {
      steps[i] = to_floats(_mm256_srai_epi32(_mm256_slli_epi32(dwords, 28 - 4 * i), 28));
    }
  }
};

struct E2m1Panel {
  static constexpr std::int64_t kBits = 4;
  static constexpr int kSteps = 8;
  static void unpack(Ints dwords, Floats* steps) {
    const Floats magnitudes =
        _mm256_setr_ps(E2m1::to_float(0), E2m1::to_float(1), E2m1::to_float(2), E2m1::to_float(3),
                       E2m1::to_float(4), E2m1::to_float(5), E2m1::to_float(6), E2m1::to_float(7));
    const Ints sign = broadcast(static_cast<int>(0x80000000));
#pragma GCC unroll 8
    for (int i = 0; i < kSteps; ++i) {
      // The index is a dword's low three bits.
      const Floats value = _mm256_permutevar8x32_ps(magnitudes, _mm256_srli_epi32(dwords, 4 * i));
      const Ints signs = _mm256_and_si256(_mm256_slli_epi32(dwords, 28 - 4 * i), sign);
      steps[i] = _mm256_or_ps(value, _mm256_castsi256_ps(signs));
    }
  }
};

// As LinearJob::fill_panel. Columns behind the last repeat it; their sums go nowhere.
template <class Panel>
void fill_panel_of(const LinearJob& job, std::int64_t n, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* panel) {
  constexpr std::int64_t kChunk = 32;  // bytes
  const std::int64_t bytes = ceil_div((k_end - k_begin) * Panel::kBits, 8);
  const auto* codes = static_cast<const std::uint8_t*>(job.codes) + k_begin * Panel::kBits / 8;
  for (std::int64_t first = 0; first < kPanelColumns && n + first < job.n; first += kLanes) {
    const std::uint8_t* rows[kLanes];
    for (std::int64_t i = 0; i < kLanes; ++i) {
      rows[i] = codes + smaller(n + first + i, job.n - 1) * job.row_bytes;
    }
    for (std::int64_t at = 0; at < bytes; at += kChunk) {
      alignas(32) std::uint8_t last[kLanes][kChunk];
      const bool whole = at + kChunk <= bytes;
      if (!whole) {
        std::memset(last, 0, sizeof(last));
        for (std::int64_t i = 0; i < kLanes; ++i) {
          std::memcpy(last[i], rows[i] + at, static_cast<std::size_t>(bytes - at));
        }
      }
      Floats dwords[kLanes];
      transpose_eight([&](std::int64_t i) { return whole ? rows[i] + at : last[i]; }, dwords);
      std::int32_t* to = panel + at / 4 * Panel::kSteps * kPanelColumns + first;
      for (const Floats& dword : dwords) {
        Floats steps[Panel::kSteps];
        Panel::unpack(_mm256_castps_si256(dword), steps);
#pragma GCC unroll 8
        for (int i = 0; i < Panel::kSteps; ++i) store_floats(to + i * kPanelColumns, steps[i]);
        to += Panel::kSteps * kPanelColumns;
      }
    }
  }
}

// The same of packed codes (pack_weight/layout.h), which are transposed already; those of the panel
// behind this one are read ahead.
template <class Panel>
void fill_packed_panel_of(const LinearJob& job, std::int64_t n, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* panel) {
  const std::int64_t row_bytes = job.k * Panel::kBits / 8;
  const std::int64_t dwords = (k_end - k_begin) * Panel::kBits / 32;
  for (std::int64_t first = 0; first < kPanelColumns && n + first < job.n; first += kLanes) {
    const auto* codes = static_cast<const std::uint8_t*>(job.codes) + (n + first) * row_bytes +
                        k_begin * Panel::kBits / 8 * kPackedRows;
    std::int32_t* to = panel + first;
    for (std::int64_t i = 0; i < dwords; ++i, codes += 32, to += Panel::kSteps * kPanelColumns) {
      _mm_prefetch(reinterpret_cast<const char*>(codes) + kPanelColumns * row_bytes, _MM_HINT_T0);
      Floats steps[Panel::kSteps];
      Panel::unpack(load_ints(codes), steps);
#pragma GCC unroll 8
      for (int s = 0; s < Panel::kSteps; ++s) store_floats(to + s * kPanelColumns, steps[s]);
    }
  }
}

// codes (N, K), without gaps.
template <class Panel>
void set_panel(LinearJob& job, const void* codes) {
  job.fill_panel = fill_panel_of<Panel>;
  job.codes = codes;
  job.row_bytes = job.k * Panel::kBits / 8;
  if constexpr (requires { Panel::kUnit; }) job.unit = Panel::kUnit;
}

template <class Panel>
void set_packed_panel(LinearJob& job, const void* codes) {
  job.fill_panel = fill_packed_panel_of<Panel>;
  job.codes = codes;
}

}  // namespace
}  // namespace lowp::kernels
