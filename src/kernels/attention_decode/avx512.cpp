// The heads that share keys and values go together, so that these are read and widened once: 64
// positions a block, scores to the stack, then their weighted sum of values, with the running
// maximum and sum of online softmax (arXiv 1805.02867). With 3 heads of 64, a position is 24 fused
// multiply-adds, at one a cycle on Zen 4 what bounds it.
#include <cmath>

#include "kernels/attention_decode/implementations.h"
#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/runtime/exp_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 64;
// Multiply-adds that are worth a second thread: about 5 us of work.
constexpr std::int64_t kGrain = 65536;

template <DType kDType>
inline __m512 load(const void* data, std::int64_t at) {
  if constexpr (kDType == DType::kF32) {
    return _mm512_loadu_ps(static_cast<const float*>(data) + at);
  } else {
    const __m256i codes = _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(static_cast<const std::uint16_t*>(data) + at));
    return kDType == DType::kBF16 ? bf16_to_fp32(codes) : _mm512_cvtph_ps(codes);
  }
}

// Lane i of the result is the sum of all lanes of v[i].
inline __m512 sum_each(const __m512* v) {
  __m512 quad[4];
  for (int i = 0; i < 4; ++i) {
    const __m512 *a = v + 4 * i, *b = a + 2;
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(b[0], b[1]), _mm512_unpackhi_ps(b[0], b[1]));
    const __m512d lo = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    const __m512d hi = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    quad[i] = _mm512_add_ps(_mm512_castpd_ps(lo), _mm512_castpd_ps(hi));
  }
  const auto fold = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
  };
  return fold(fold(quad[0], quad[1]), fold(quad[2], quad[3]));
}

// kVectors = D / 16; kHeads heads of q that share keys and values.
template <DType kDType, int kVectors, int kHeads>
class HeadGroup {
 public:
  HeadGroup(const AttentionDecodeArgs& args, std::int64_t head) : args_(args), head_(head) {
    const std::int64_t offset = head / (args.q.rows / args.kv_heads) * args.head_stride;
    const std::int64_t bytes = bits(kDType) / 8;
    keys_ = static_cast<const char*>(args.keys) + offset * bytes;
    values_ = static_cast<const char*>(args.values) + offset * bytes;
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kVectors; ++i) {
        q_[h][i] = _mm512_mul_ps(load<kDType>(args.q.data, (head + h) * args.q.stride + i * kLanes),
                                 _mm512_set1_ps(args.scale));
        sums_[h][i] = _mm512_setzero_ps();
      }
      largest_[h] = -INFINITY;
      totals_[h] = 0.0F;
    }
  }

  void run() {
    for (std::int64_t s = 0; s < args_.positions; s += kBlock) {
      const std::int64_t count = smaller(kBlock, args_.positions - s);
      alignas(64) float weights[kHeads][kBlock];
      for (std::int64_t i = 0; i < count; i += kLanes) {
        score(s + i, smaller(kLanes, count - i), i, weights);
      }
      for (int h = 0; h < kHeads; ++h) to_weights(h, count, weights[h]);
      add_values(s, count, weights);
    }
    for (int h = 0; h < kHeads; ++h) {
      const __m512 reciprocal = _mm512_set1_ps(1.0F / totals_[h]);
      for (int i = 0; i < kVectors; ++i) {
        store_lanes(args_.out, head_ + h, i * kLanes, first_lanes(kLanes),
                    _mm512_mul_ps(sums_[h][i], reciprocal));
      }
    }
  }

 private:
  static constexpr std::int64_t kSize = kVectors * kLanes;

  // Of 16 positions from s on, to scores[h][at ...]; lanes from `count` on are -Inf.
  void score(std::int64_t s, std::int64_t count, std::int64_t at, float (*scores)[kBlock]) const {
    __m512 products[kHeads][kLanes];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      // The last position again in place of those that do not exist.
      const std::int64_t from = (s + smaller(j, count - 1)) * kSize;
      __m512 sums[kHeads];
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        const __m512 key = load<kDType>(keys_, from + i * kLanes);
#pragma GCC unroll 4
        for (int h = 0; h < kHeads; ++h) {
          sums[h] = i == 0 ? _mm512_mul_ps(q_[h][0], key) : _mm512_fmadd_ps(q_[h][i], key, sums[h]);
        }
      }
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) products[h][j] = sums[h];
    }
    for (int h = 0; h < kHeads; ++h) {
      _mm512_store_ps(
          scores[h] + at,
          _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), first_lanes(count), sum_each(products[h])));
    }
  }

  // In place: scores to exp(score - largest), 0 from `count` on.
  void to_weights(int h, std::int64_t count, float* scores) {
    __m512 largest = _mm512_set1_ps(largest_[h]);
    for (std::int64_t i = 0; i < count; i += kLanes) {
      largest = _mm512_max_ps(_mm512_load_ps(scores + i), largest);
    }
    rescale(h, _mm512_reduce_max_ps(largest));
    __m512 total = _mm512_setzero_ps();
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const __m512 above = _mm512_sub_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(largest_[h]));
      const __m512 weight = _mm512_maskz_mov_ps(first_lanes(count - i), exp_lanes(above));
      total = _mm512_add_ps(total, weight);
      _mm512_store_ps(scores + i, weight);
    }
    totals_[h] += _mm512_reduce_add_ps(total);
  }

  void rescale(int h, float largest) {
    if (largest <= largest_[h]) return;
    const float factor = std::exp(largest_[h] - largest);  // 0 for the first block
    largest_[h] = largest;
    totals_[h] *= factor;
    for (__m512& sum : sums_[h]) sum = _mm512_mul_ps(sum, _mm512_set1_ps(factor));
  }

  void add_values(std::int64_t s, std::int64_t count, const float (*weights)[kBlock]) {
    __m512 sums[kHeads][kVectors];  // registers, which members are not
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kVectors; ++i) sums[h][i] = sums_[h][i];
    }
    for (std::int64_t j = 0; j < count; ++j) {
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        const __m512 value = load<kDType>(values_, (s + j) * kSize + i * kLanes);
#pragma GCC unroll 4
        for (int h = 0; h < kHeads; ++h) {
          sums[h][i] = _mm512_fmadd_ps(_mm512_set1_ps(weights[h][j]), value, sums[h][i]);
        }
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kVectors; ++i) sums_[h][i] = sums[h][i];
    }
  }

  const AttentionDecodeArgs& args_;
  std::int64_t head_;
  const void* keys_;
  const void* values_;
  __m512 q_[kHeads][kVectors];
  __m512 sums_[kHeads][kVectors];
  float largest_[kHeads];
  float totals_[kHeads];
};

// Registers hold the sums of 4 heads of 64, or 2 of 128; other sizes are rare.
constexpr int most_heads(int vectors) {
  if (vectors == 4) return 4;
  return vectors == 8 ? 2 : 1;
}

template <DType kDType, int kVectors, int kHeads = most_heads(kVectors)>
void run_group(const AttentionDecodeArgs& args, std::int64_t head, std::int64_t count) {
  if (count == kHeads) return HeadGroup<kDType, kVectors, kHeads>(args, head).run();
  if constexpr (kHeads > 1) run_group<kDType, kVectors, kHeads - 1>(args, head, count);
}

template <DType kDType, int kVectors>
void run_heads(const AttentionDecodeArgs& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t share = args.q.rows / args.kv_heads;
  while (begin < end) {
    const std::int64_t same_keys = smaller(share - begin % share, end - begin);
    const std::int64_t count = smaller(same_keys, most_heads(kVectors));
    run_group<kDType, kVectors>(args, begin, count);
    begin += count;
  }
}

template <DType kDType>
void run_range(const AttentionDecodeArgs& args, std::int64_t begin, std::int64_t end) {
  using Run = void (*)(const AttentionDecodeArgs&, std::int64_t, std::int64_t);
  constexpr Run kRuns[] = {
      run_heads<kDType, 1>,  run_heads<kDType, 2>,  run_heads<kDType, 3>,  run_heads<kDType, 4>,
      run_heads<kDType, 5>,  run_heads<kDType, 6>,  run_heads<kDType, 7>,  run_heads<kDType, 8>,
      run_heads<kDType, 9>,  run_heads<kDType, 10>, run_heads<kDType, 11>, run_heads<kDType, 12>,
      run_heads<kDType, 13>, run_heads<kDType, 14>, run_heads<kDType, 15>, run_heads<kDType, 16>};
  kRuns[args.q.cols / kLanes - 1](args, begin, end);
}

}  // namespace

void attention_decode_avx512(const AttentionDecodeArgs& args) {
  const auto run = args.q.dtype == DType::kF32    ? run_range<DType::kF32>
                   : args.q.dtype == DType::kBF16 ? run_range<DType::kBF16>
                                                  : run_range<DType::kF16>;
  const std::int64_t grain = kGrain / (args.positions * args.q.cols) + 1;
  parallel_for(args.parallel, args.q.rows, grain,
               [&](std::int64_t begin, std::int64_t end) { run(args, begin, end); });
}

}  // namespace lowp::kernels
