// Few rows of x with the byte products of VNNI, which this level has too.
#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/intx_avx512_vnni_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_wna16/implementations.h"
// The level comes first.
#include "kernels/linear_wna16/job_inl.h"

namespace lowp::kernels {
namespace {

// Codes are exact in bf16.
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA16Args*>(from);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    for_each_intx_vector<kBits>(
        args.weight, args.out.cols, args.x.cols, row, k_begin, k_end, offset_of(args),
        [steps](std::int64_t i, Ints bytes) {
          alignas(64) std::int8_t codes[64];
          store_ints(codes, bytes);
          const auto floats = [&](std::int64_t at) {
            const __m128i part = _mm_load_si128(reinterpret_cast<const __m128i*>(codes + at));
            return to_floats(_mm512_cvtepi8_epi32(part));
          };
          for (std::int64_t at = 0; at < 64; at += 2 * kLanes) {
            store_ints(steps + (i + at) / 2, reinterpret_cast<Ints>(_mm512_cvtne2ps_pbh(
                                                 floats(at + kLanes), floats(at))));
          }
        });
  });
}

LinearJob panels_of(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_panel_groups(args, job);
  return job;
}

// The numbers that codes stand for, by their low bits.
template <int kBits, int kOffset>
alignas(64) constexpr auto kNumbers = [] {
  std::array<std::uint16_t, 32> numbers{};
  for (int i = 0; i < 32; ++i) {
    numbers[i] = Bf16::from_float(static_cast<float>(i % (1 << kBits) - kOffset));
  }
  return numbers;
}();

template <int kBits>
const std::array<std::uint16_t, 32>& numbers_of(const LinearJob& job) {
  const bool shifted = offset_of(*static_cast<const LinearWnA16Args*>(job.args)) != 0;
  return shifted ? kNumbers<kBits, 1 << (kBits - 1)> : kNumbers<kBits, 0>;
}

// Bits that divide 8.
template <int kBits>
struct FieldsPanel : TablePanel<kBits> {
  FieldsPanel(const LinearJob& job, std::int64_t /*n*/, std::int64_t /*k_begin*/,
              std::int64_t /*k_end*/)
      : TablePanel<kBits>(numbers_of<kBits>(job)) {}
};

// Other numbers of bits: bytes first.
template <int kCodeBits>
struct WindowsPanel : Bf16Panel {
  static constexpr std::int64_t kBits = kCodeBits;
  static constexpr std::int64_t kChunkBytes = 8 * kCodeBits;
  IntxWindows<kCodeBits> windows;
  Ints table;
  float offset;
  WindowsPanel(const LinearJob& job, std::int64_t /*n*/, std::int64_t /*k_begin*/,
               std::int64_t /*k_end*/)
      : table(_mm512_load_si512(numbers_of<kCodeBits>(job).data())),
        offset(static_cast<float>(offset_of(*static_cast<const LinearWnA16Args*>(job.args)))) {}

  Ints row(const std::uint8_t* codes) const {
    return windows.decode(_mm512_maskz_loadu_epi8(first_64_lanes(kChunkBytes), codes));
  }

  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      if constexpr (kCodeBits <= 5) {
        const auto step = [&](std::uint32_t places) {
          return _mm512_permutexvar_epi16(shuffle_dwords(dwords[i], places), table);
        };
        steps[2 * i] = step(0x01010000);
        steps[2 * i + 1] = step(0x03030202);
      } else {
        bytes_to_bf16(dwords[i], offset, steps + 2 * i);
      }
    }
    return true;
  }
};

template <int kBits>
using IntxPanel = std::conditional_t<8 % kBits == 0, FieldsPanel<kBits>, WindowsPanel<kBits>>;

void multiply_many_rows(const LinearWnA16Args& args) { linear_panels_avx512_bf16(panels_of(args)); }

}  // namespace

void linear_wna16_amx(const LinearWnA16Args& args) {
  LinearJob job = panels_of(args);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    set_amx_panel<IntxPanel<kBits>>(job, args.weight);
  });
  linear_panels_amx(job);
}

void linear_wna16_avx512_bf16(const LinearWnA16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.group = args.group_size;
  if (!fits_intx_rows(job)) return multiply_many_rows(args);
  if (args.out.dtype == DType::kBF16) {
    multiply_few_rows<IntxAvx512Vnni, 2>(args, job, multiply_many_rows);
  } else {
    multiply_few_rows<IntxAvx512Vnni, 3>(args, job, multiply_many_rows);
  }
}

}  // namespace lowp::kernels
