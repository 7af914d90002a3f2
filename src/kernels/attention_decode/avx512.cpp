// A head at a time, 64 positions a block: scores to the stack, then their weighted sum of values,
// with the running maximum and sum of online softmax (arXiv 1805.02867).
#include <cmath>

#include "kernels/attention_decode/implementations.h"
#include "kernels/linear_common/vector_inl.h"
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

// kVectors = D / 16.
template <DType kDType, int kVectors>
class Head {
 public:
  Head(const AttentionDecodeArgs& args, std::int64_t head) : args_(args), head_(head) {
    const std::int64_t offset = head / (args.q.rows / args.kv_heads) * args.head_stride;
    const std::int64_t bytes = bits(kDType) / 8;
    keys_ = static_cast<const char*>(args.keys) + offset * bytes;
    values_ = static_cast<const char*>(args.values) + offset * bytes;
    for (int i = 0; i < kVectors; ++i) {
      q_[i] = _mm512_mul_ps(load<kDType>(args.q.data, head * args.q.stride + i * kLanes),
                            _mm512_set1_ps(args.scale));
      sum_[i] = _mm512_setzero_ps();
    }
  }

  void run() {
    for (std::int64_t s = 0; s < args_.positions; s += kBlock) {
      add_block(s, smaller(kBlock, args_.positions - s));
    }
    const __m512 reciprocal = _mm512_set1_ps(1.0F / total_);
    for (int i = 0; i < kVectors; ++i) {
      store_lanes(args_.out, head_, i * kLanes, first_lanes(kLanes),
                  _mm512_mul_ps(sum_[i], reciprocal));
    }
  }

 private:
  static constexpr std::int64_t kSize = kVectors * kLanes;

  void add_block(std::int64_t s, std::int64_t count) {
    alignas(64) float weights[kBlock];
    __m512 largest = _mm512_set1_ps(largest_);
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const __m512 scores = score(s + i, smaller(kLanes, count - i));
      largest = _mm512_max_ps(scores, largest);
      _mm512_store_ps(weights + i, scores);
    }
    rescale(_mm512_reduce_max_ps(largest));
    __m512 total = _mm512_setzero_ps();
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const __m512 above = _mm512_sub_ps(_mm512_load_ps(weights + i), _mm512_set1_ps(largest_));
      const __m512 weight = _mm512_maskz_mov_ps(first_lanes(count - i), exp_lanes(above));
      total = _mm512_add_ps(total, weight);
      _mm512_store_ps(weights + i, weight);
    }
    total_ += _mm512_reduce_add_ps(total);
    for (std::int64_t i = 0; i < count; ++i) add_value(s + i, weights[i]);
  }

  // Of 16 positions; lanes from `count` on are -Inf.
  __m512 score(std::int64_t s, std::int64_t count) const {
    __m512 products[kLanes];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      // The last position again in place of those that do not exist.
      const std::int64_t at = (s + smaller(j, count - 1)) * kSize;
      __m512 product = _mm512_mul_ps(q_[0], load<kDType>(keys_, at));
      for (int i = 1; i < kVectors; ++i) {
        product = _mm512_fmadd_ps(q_[i], load<kDType>(keys_, at + i * kLanes), product);
      }
      products[j] = product;
    }
    return _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), first_lanes(count), sum_each(products));
  }

  void rescale(float largest) {
    if (largest <= largest_) return;
    const float factor = std::exp(largest_ - largest);  // 0 for the first block
    largest_ = largest;
    total_ *= factor;
    for (int i = 0; i < kVectors; ++i) sum_[i] = _mm512_mul_ps(sum_[i], _mm512_set1_ps(factor));
  }

  void add_value(std::int64_t s, float weight) {
    const __m512 broadcast = _mm512_set1_ps(weight);
    for (int i = 0; i < kVectors; ++i) {
      sum_[i] = _mm512_fmadd_ps(broadcast, load<kDType>(values_, s * kSize + i * kLanes), sum_[i]);
    }
  }

  const AttentionDecodeArgs& args_;
  std::int64_t head_;
  const void* keys_;
  const void* values_;
  __m512 q_[kVectors];
  __m512 sum_[kVectors];
  float largest_ = -INFINITY;
  float total_ = 0.0F;
};

template <DType kDType, int kVectors>
void run_heads(const AttentionDecodeArgs& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t head = begin; head < end; ++head) Head<kDType, kVectors>(args, head).run();
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
