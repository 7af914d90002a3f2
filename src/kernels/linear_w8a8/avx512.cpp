// Without VNNI: codes widened to int16, whose products vpmaddwd adds in pairs to int32, exactly.
#include "kernels/linear_common/avx512_tile_inl.h"
#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_w8a8/implementations.h"
#include "kernels/linear_w8a8/job_inl.h"

namespace lowp::kernels {
namespace {

struct Int16Pairs {
  using Sum = Int32s;
  static constexpr bool kInteger = true;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 2;

  static Sum multiply_add(Sum sum, __m512i x, __m512i weight) {
    return reinterpret_cast<Sum>(
        _mm512_add_epi32(reinterpret_cast<__m512i>(sum), _mm512_madd_epi16(x, weight)));
  }
};

void widen(const std::int8_t* codes, std::int64_t count, std::int32_t* steps) {
  for (std::int64_t i = 0; i < count; i += 32) {
    _mm512_storeu_si512(steps + i / 2, _mm512_cvtepi8_epi16(load_codes_32(codes + i, count - i)));
  }
}

}  // namespace

void linear_w8a8_avx512(const LinearW8A8Args& args) {
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
  multiply_panels<Int16Pairs>(job);
}

}  // namespace lowp::kernels
