#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_mxfp6/implementations.h"
// The formats come first.
#include "kernels/linear_mxfp6/avx512_inl.h"

namespace lowp::kernels {
namespace {

struct Fp6Codes : Bf16Sums {
  static constexpr std::int64_t kCodes = 32;
  static constexpr std::int64_t kBytes = kBlockBytes;
  static constexpr int kParts = 1;
  static constexpr int kInterleave = 1;
  Fp6Words words;
  explicit Fp6Codes(DType element) : words(element) {}
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    parts[0] = words.bf16(load_codes_32(codes, bytes));
  }
};

// The block's scale is exact in bf16 with the code, but for the ends of e8m0's range. Between them
// the scale's exponent is added to those of the table; a block is a vector.
void decode_scaled_weight(const void* from, std::int64_t row, std::int64_t k_begin,
                          std::int64_t k_end, std::int32_t* steps) {
  constexpr int kLeast = 5;   // 0.0625, the smallest element, is normal with it
  constexpr int kMost = 250;  // and 28, the largest, finite
  constexpr __mmask32 kNonzero = 0xFFFFFFFE;
  const auto& args = *static_cast<const LinearMxfp6Args*>(from);
  const Fp6Words words(args.element);
  const std::uint8_t* codes = codes_at(args, row, k_begin);
  const std::uint8_t* scale = args.weight_scale + (row * args.x.cols + k_begin) / kBlock;
  for (; k_begin < k_end; k_begin += kBlock, ++scale, codes += kBlockBytes, steps += kBlock / 2) {
    const int exponent = *scale;
    const bool normal = exponent >= kLeast && exponent <= kMost;
    const auto shift = static_cast<short>(normal ? (exponent - 127) * 128 : 0);
    const __m512i scaled = _mm512_mask_add_epi16(words.magnitudes, kNonzero, words.magnitudes,
                                                 _mm512_set1_epi16(shift));
    _mm512_storeu_si512(steps, words.bf16(load_codes_32(codes, kBlockBytes), scaled));
    if (!normal) {
      alignas(64) float value[kLanes];
      e8m0_scales(scale, 1, value);
      scale_bf16_steps(steps, kBlock, kBlock, value);
    }
  }
}

// Scales are in the steps.
LinearJob scaled_job_of(const LinearMxfp6Args& args) {
  LinearJob job = job_of<Fp6Codes>(args);
  job.group_scales = nullptr;
  job.decode_weight = decode_scaled_weight;
  return job;
}

}  // namespace

void linear_mxfp6_amx(const LinearMxfp6Args& args) { linear_panels_amx(scaled_job_of(args)); }

void linear_mxfp6_avx512_bf16(const LinearMxfp6Args& args) {
  const LinearJob job = job_of<Fp6Codes>(args);
  if (fits_few_rows<Fp6Codes>(job)) {
    multiply_few_rows(job, Fp6Codes(args.element), args.weight);
  } else {
    linear_panels_avx512_bf16(scaled_job_of(args));
  }
}

}  // namespace lowp::kernels
