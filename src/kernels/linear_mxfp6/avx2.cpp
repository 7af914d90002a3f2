#include "kernels/linear_common/formats_avx2_inl.h"
#include "kernels/linear_mxfp6/implementations.h"
#include "kernels/linear_mxfp6/job_inl.h"

namespace lowp::kernels {
namespace {

// The bytes with each code go to a word, which a multiplication shifts up. Moved down to where fp16
// has sign, exponent and mantissa they are 2^-14 of an e2m3 number, 2^-12 of e3m2, subnormals too;
// scales of e3m2 make up for the difference. Moved to where fp32 has them, as those of e4m3, they
// would be subnormals of fp32, of which e2m3 has many and Intel's multiplication takes an assist.
// 22 operations for 32 codes, 8 of them vcvtph2ps; 4 multiply-adds and 2 to scale.
struct Fp6Codes : Fp32Sums {
  static constexpr std::int64_t kBytes = kBlockBytes;
  static constexpr int kPower = 14;
  static constexpr int place(int i) { return i; }

  struct Tables {
    alignas(32) std::array<std::uint8_t, 32> bytes[2];  // of each half of the codes
    alignas(32) std::array<std::uint16_t, 16> factor;
  };
  static constexpr Tables kTables = [] {
    Tables tables{};
    for (int i = 0; i < 16; ++i) {
      const int bit = 6 * i;
      tables.factor[i] = static_cast<std::uint16_t>(1 << (10 - bit % 8));
      // The second half is read from byte 8 on: from there 16 bytes are in the step.
      for (int half = 0; half < 2; ++half) {
        const int byte = bit / 8 + 4 * half;
        tables.bytes[half][2 * i] = static_cast<std::uint8_t>(byte);
        tables.bytes[half][2 * i + 1] = static_cast<std::uint8_t>((byte + 1) % 16);
      }
    }
    return tables;
  }();

  __m128i shift;
  Ints mask;

  explicit Fp6Codes(DType element)
      : shift(_mm_cvtsi32_si128(element == DType::kF6E2M3 ? 3 : 2)),
        mask(_mm256_set1_epi16(static_cast<short>(element == DType::kF6E2M3 ? 0x8F80 : 0x9F00))) {}

  // 16 codes, as fp32 bits.
  void decode_half(const std::uint8_t* codes, int half, Ints* parts) const {
    const Ints all = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 8 * half)));
    const Ints windows = _mm256_shuffle_epi8(all, load_ints(kTables.bytes[half].data()));
    const Ints high = _mm256_mullo_epi16(windows, load_ints(kTables.factor.data()));
    const Ints words = _mm256_and_si256(_mm256_sra_epi16(high, shift), mask);
    parts[0] = _mm256_castps_si256(_mm256_cvtph_ps(_mm256_castsi256_si128(words)));
    parts[1] = _mm256_castps_si256(_mm256_cvtph_ps(_mm256_extracti128_si256(words, 1)));
  }

  void decode(const std::uint8_t* codes, Ints* parts) const {
    decode_half(codes, 0, parts);
    decode_half(codes, 1, parts + 2);
  }
};

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearMxfp6Args*>(from);
  const Fp6Codes format(args.element);
  const std::uint8_t* codes = codes_at(args, row, k_begin);
  for (; k_begin < k_end; k_begin += kBlock, codes += kBlockBytes, steps += kBlock) {
    Ints parts[Fp6Codes::kParts];
    format.decode(codes, parts);
    for (int i = 0; i < Fp6Codes::kParts; ++i) {
      store_floats(steps + i * kLanes, multiply(_mm256_castsi256_ps(parts[i]), broadcast(0x1p14F)));
    }
  }
}

void scales_of_fp16(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                    std::int64_t count, float* values) {
  e8m0_group_scales<LinearMxfp6Args>(from, n, rows, group, count, values);
  if (static_cast<const LinearMxfp6Args*>(from)->element == DType::kF6E2M3) return;
  for (std::int64_t i = 0; i < rows * count; ++i) values[i] *= 0.25F;
}

}  // namespace

void linear_mxfp6_avx2(const LinearMxfp6Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  job.group = kBlock;
  job.group_scales = scales_of_fp16;
  multiply(job, Fp6Codes(args.element), args.weight);
}

}  // namespace lowp::kernels
