// Codes widened to int16, whose products vpmaddwd adds in pairs to int32, exactly; the sums of
// pairs that vpmaddubsw forms in int16 would saturate.
#include "kernels/linear_common/avx2_tile_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_common/rows_avx2_inl.h"
#include "kernels/linear_w8a8/implementations.h"
#include "kernels/linear_w8a8/job_inl.h"

namespace lowp::kernels {
namespace {

struct Int16Pairs {
  using Sum = Int32s;
  static constexpr bool kInteger = true;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 2;
  static constexpr std::int64_t kTileRows = 4;

  static Sum multiply_add(Sum sum, Ints x, Ints weight) {
    return add_in_register(sum, _mm256_madd_epi16(x, weight));
  }
};

struct Int8Words : Int16Pairs {
  using Element = std::int16_t;
  static constexpr std::int64_t kCodes = 64;
  static constexpr std::int64_t kBytes = 64;
  static constexpr int kParts = 4;
  static constexpr bool kHalves = false;
  static constexpr int place(int i) { return i / 32 * 32 + i % 2 * 16 + i % 32 / 2; }

  static void split(Ints words, Ints* parts) {
    parts[0] = _mm256_srai_epi16(_mm256_slli_epi16(words, 8), 8);
    parts[1] = _mm256_srai_epi16(words, 8);
  }
  void decode(const std::uint8_t* codes, Ints* parts) const {
    split(load_ints(codes), parts);
    split(load_ints(codes + 32), parts + 2);
  }
};

// Of four columns the first step has those of even place, as they lie in a dword.
struct Int8WordsPanel {
  static constexpr std::int64_t kUnit = 4;
  static constexpr std::int64_t kBits = 8;
  static constexpr int kSteps = 2;
  static void unpack(Ints dwords, Floats* steps) {
    Ints words[kSteps];
    Int8Words::split(dwords, words);
    for (int i = 0; i < kSteps; ++i) steps[i] = _mm256_castsi256_ps(words[i]);
  }
};

void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  for (std::int64_t k = k_begin; k < k_end; k += 16) {
    store_ints(steps + (k - k_begin) / 2,
               _mm256_cvtepi8_epi16(load_bytes_128(codes + k, k_end - k)));
  }
}

// In the order of Int8WordsPanel.
void decode_x_for_panels(const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  const Ints order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  for (std::int64_t k = k_begin; k < k_end; k += 16) {
    const Ints words = _mm256_cvtepi8_epi16(load_bytes_128(codes + k, k_end - k));
    store_ints(steps + (k - k_begin) / 2, _mm256_shuffle_epi8(words, order));
  }
}

}  // namespace

void linear_w8a8_avx2(const LinearW8A8Args& args) {
  LinearJob job = job_of(args, 0);
  job.decode_x = decode_x;
  if (fits_few_rows<Int8Words>(job)) return multiply_few_rows(job, Int8Words{}, args.weight);
  job.decode_x = decode_x_for_panels;
  job.x_codes = args.x;
  job.x_codes_stride = args.k;
  job.x_code_bytes = 1;
  set_panel<Int8WordsPanel>(job, args.weight);
  multiply_panels<Int16Pairs>(job);
}

}  // namespace lowp::kernels
