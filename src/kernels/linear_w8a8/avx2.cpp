// Codes widened to int16, whose products vpmaddwd adds in pairs to int32, exactly; the sums of
// pairs that vpmaddubsw forms in int16 would saturate.
#include "kernels/linear_common/avx2_tile_inl.h"
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

  static Sum multiply_add(Sum sum, Ints x, Ints weight) {
    return reinterpret_cast<Sum>(
        _mm256_add_epi32(reinterpret_cast<Ints>(sum), _mm256_madd_epi16(x, weight)));
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

void widen(const std::int8_t* codes, std::int64_t count, std::int32_t* steps) {
  for (std::int64_t i = 0; i < count; i += 16) {
    store_ints(steps + i / 2, _mm256_cvtepi8_epi16(load_bytes_128(codes + i, count - i)));
  }
}

}  // namespace

void linear_w8a8_avx2(const LinearW8A8Args& args) {
  LinearJob job = job_of(args, 0);
  job.decode_weight = [](const void* from, std::int64_t row, std::int64_t k_begin,
                         std::int64_t k_end, std::int32_t* steps) {
    const auto& args = *static_cast<const LinearW8A8Args*>(from);
    widen(args.weight + row * args.k + k_begin, k_end - k_begin, steps);
  };
  job.decode_x = [](const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                    std::int32_t* steps) {
    const auto& args = *static_cast<const LinearW8A8Args*>(from);
    widen(args.x + row * args.k + k_begin, k_end - k_begin, steps);
  };
  if (fits_few_rows<Int8Words>(job)) {
    multiply_few_rows(job, Int8Words{}, args.weight);
  } else {
    multiply_panels<Int16Pairs>(job);
  }
}

}  // namespace lowp::kernels
