// vpdpbusd takes x unsigned: its codes get an offset of 128, which the row sums of the weight take
// off again. All sums wrap in int32, so the result is exact.
#include "kernels/linear_common/avx512_tile_inl.h"
#include "kernels/linear_common/avx512_vnni_inl.h"
#include "kernels/linear_common/decode_inl.h"
#include "kernels/linear_common/few_rows.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/panels_inl.h"
#include "kernels/linear_w8a8/implementations.h"
#include "kernels/linear_w8a8/job_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int32_t kOffset = 128;
constexpr std::int64_t kMaxFewRows = 4;    // rows of x that read the weight once, together
constexpr std::int64_t kWeightRows = 4;    // rows of the weight whose sums go together
constexpr std::int64_t kRowBlock = 64;     // rows of the weight between two conversions
constexpr std::int64_t kMaxChunk = 16384;  // columns of x held at once
constexpr std::ptrdiff_t kAhead = 8192;    // bytes

__m512i load_64(const std::int8_t* codes, std::int64_t count) {
  return _mm512_maskz_loadu_epi8(first_64_lanes(count), codes);
}

void copy_codes(const std::int8_t* codes, std::int64_t k_begin, std::int64_t k_end,
                std::int32_t* steps) {
  for (std::int64_t k = k_begin; k < k_end; k += 64) {
    _mm512_storeu_si512(steps + (k - k_begin) / 4, load_64(codes + k, k_end - k));
  }
}

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  copy_codes(args.weight + row * args.k, k_begin, k_end, steps);
}

void copy_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
            std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  copy_codes(args.x + row * args.k, k_begin, k_end, steps);
}

// Behind the last column any value does: the weight is 0 there.
void decode_x(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
              std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW8A8Args*>(from);
  const std::int8_t* codes = args.x + row * args.k;
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(kOffset));
  for (std::int64_t k = k_begin; k < k_end; k += 64) {
    _mm512_storeu_si512(steps + (k - k_begin) / 4,
                        _mm512_xor_si512(load_64(codes + k, k_end - k), offset));
  }
}

struct RowScratch {
  alignas(64) std::int32_t x[kMaxFewRows][kMaxChunk / 4];
  alignas(64) std::int32_t sums[kMaxFewRows][kRowBlock];
};

// Lane i of the result: the whole of vector i, int32.
__m128i sum_of_each(const Int32s* v) {
  const auto part = [v](int i) { return reinterpret_cast<__m512i>(v[i]); };
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(part(0), part(1)),
                                      _mm512_unpackhi_epi32(part(0), part(1)));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(part(2), part(3)),
                                      _mm512_unpackhi_epi32(part(2), part(3)));
  const __m512i abcd =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti32x8_epi32(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// sums[m][at + row] += four rows of the weight times kX rows of x, over columns [begin, end). Row
// after row is one stream of memory, which Xeons read ahead no further than its page: two pages
// ahead, 4096 columns take 0.5 to 0.8 of the time on 14 threads.
template <int kX>
void add_rows(const LinearW8A8Args& args, std::int64_t n, std::int64_t at, std::int64_t begin,
              std::int64_t end, RowScratch& scratch) {
  Int32s sums[kX][kWeightRows] = {};
  const std::int64_t count = smaller(kWeightRows, args.n - n);
  for (std::int64_t row = 0; row < count; ++row) {
    const std::int8_t* codes = args.weight + (n + row) * args.k + begin;
    Int32s sum[kX] = {};
    const auto step = [&](std::int64_t k, std::int64_t left) __attribute__((always_inline)) {
      _mm_prefetch(reinterpret_cast<const char*>(codes + k) + kAhead, _MM_HINT_T0);
      const __m512i weight = load_64(codes + k, left);
#pragma GCC unroll 4
      for (int m = 0; m < kX; ++m) {
        sum[m] = Int8Quads::multiply_add(sum[m], _mm512_load_si512(scratch.x[m] + k / 4), weight);
      }
    };
    const std::int64_t length = end - begin;
    std::int64_t k = 0;
    for (; k + 64 <= length; k += 64) step(k, 64);
    if (k < length) step(k, length - k);
#pragma GCC unroll 4
    for (int m = 0; m < kX; ++m) sums[m][row] = sum[m];
  }
#pragma GCC unroll 4
  for (int m = 0; m < kX; ++m) {
    auto* to = reinterpret_cast<__m128i*>(scratch.sums[m] + at);
    _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), sum_of_each(sums[m])));
  }
}

void add_rows_of(const LinearW8A8Args& args, std::int64_t n, std::int64_t at, std::int64_t begin,
                 std::int64_t end, RowScratch& scratch) {
  switch (args.m) {
    case 1:
      return add_rows<1>(args, n, at, begin, end, scratch);
    case 2:
      return add_rows<2>(args, n, at, begin, end, scratch);
    case 3:
      return add_rows<3>(args, n, at, begin, end, scratch);
    default:
      return add_rows<4>(args, n, at, begin, end, scratch);
  }
}

void multiply_few_rows(const LinearW8A8Args& args, const LinearJob& job) {
  const auto hold_x = [&](std::int64_t begin, std::int64_t end, RowScratch& scratch) {
    for (std::int64_t m = 0; m < args.m; ++m) decode_x(&args, m, begin, end, scratch.x[m]);
  };
  const auto body = [&](std::int64_t first, std::int64_t last) {
    RowScratch scratch;
    if (args.k <= kMaxChunk) hold_x(0, args.k, scratch);
    const std::int64_t n_end = smaller(last * kLanes, args.n);
    for (std::int64_t n = first * kLanes; n < n_end; n += kRowBlock) {
      const std::int64_t count = smaller(kRowBlock, n_end - n);
      std::memset(scratch.sums, 0, sizeof(scratch.sums));
      for (std::int64_t k = 0; k < args.k; k += kMaxChunk) {
        const std::int64_t end = smaller(k + kMaxChunk, args.k);
        if (args.k > kMaxChunk) hold_x(k, end, scratch);
        for (std::int64_t at = 0; at < count; at += kWeightRows) {
          add_rows_of(args, n + at, at, k, end, scratch);
        }
      }
      for (std::int64_t m = 0; m < args.m; ++m) {
        finish_row<true>(job, m, n, count, scratch.sums[m]);
      }
    }
  };
  parallel_for(args.parallel, ceil_div(args.n, kLanes), ceil_div(kFewRowsGrain, args.k * kLanes),
               body);
}

}  // namespace

// Signed codes of x, without an offset.
void linear_w8a8_amx(const LinearW8A8Args& args) {
  LinearJob job = job_of(args, 0);
  job.decode_weight = decode_weight;
  job.decode_x = copy_x;
  set_amx_panel<StepPanel<4>>(job, args.weight);
  linear_panels_amx_int8(job);
}

void linear_w8a8_avx512_vnni(const LinearW8A8Args& args) {
  LinearJob job = job_of(args, kOffset);
  job.decode_weight = decode_weight;
  job.decode_x = decode_x;
  if (args.m > 0 && args.m <= kMaxFewRows && args.k > 0) {
    multiply_few_rows(args, job);
  } else {
    multiply_panels<Int8Quads>(job);
  }
}

}  // namespace lowp::kernels
