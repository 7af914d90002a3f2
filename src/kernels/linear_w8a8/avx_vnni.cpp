// As avx512_vnni.cpp: vpdpbusd takes x unsigned, 128 more than it is, which the row sums of the
// weight take off again. All sums wrap in int32, so the result is exact.
#include "kernels/linear_common/avx2_tile_inl.h"
#include "kernels/linear_common/avx_vnni_inl.h"
#include "kernels/linear_common/panel_codes_avx2_inl.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_common/rows_avx2_inl.h"
#include "kernels/linear_w8a8/implementations.h"
#include "kernels/linear_w8a8/job_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int32_t kOffset = 128;

struct Int8Bytes {
  using Element = std::uint8_t;
  using Sum = Int32s;
  static constexpr bool kInteger = true;
  static constexpr std::int64_t kCodes = 64;
  static constexpr std::int64_t kBytes = 64;
  static constexpr int kParts = 2;
  static constexpr bool kHalves = false;
  static constexpr int place(int i) { return i; }

  static void decode(const std::uint8_t* codes, Ints* parts) {
    parts[0] = load_ints(codes);
    parts[1] = load_ints(codes + 32);
  }
  static Sum multiply_add(Sum sum, Ints weight, Ints x) { return dot(sum, x, weight); }
};

struct Int8QuadsPanel {
  static constexpr std::int64_t kBits = 8;
  static constexpr int kSteps = 1;
  static void unpack(Ints dwords, Floats* steps) { steps[0] = _mm256_castsi256_ps(dwords); }
};

// Behind the last column any value does: the weight is 0 there.
void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  const Ints offset = _mm256_set1_epi8(static_cast<char>(kOffset));
  for (std::int64_t k = k_begin; k < k_end; k += 32) {
    store_ints(steps + (k - k_begin) / 4,
               _mm256_xor_si256(load_bytes_256(codes + k, k_end - k), offset));
  }
}

}  // namespace

void linear_w8a8_avx_vnni(const LinearW8A8Args& args) {
  LinearJob job = job_of(args, kOffset);
  job.decode_x = decode_x;
  if (fits_few_rows<Int8Bytes>(job)) return multiply_few_rows(job, Int8Bytes{}, args.weight);
  job.x_codes = args.x;
  job.x_codes_stride = args.k;
  job.x_code_bytes = 1;
  set_panel<Int8QuadsPanel>(job, args.weight);
  multiply_panels<Int8Quads>(job);
}

}  // namespace lowp::kernels
