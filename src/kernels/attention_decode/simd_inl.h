// The heads that share keys and values go together, so that these are read and widened once: 64
// positions a block, scores to the stack, then their weighted sum of values, with the running
// maximum and sum of online softmax (arXiv 1805.02867). With 3 heads of 64, a position is 24 fused
// multiply-adds of 16 lanes, at one a cycle on Zen 4 what bounds it. A file of one ISA level
// includes its header here first (avx512_inl.h, avx2_inl.h).
#pragma once

#include <cmath>

#include "kernels/attention_decode/implementations.h"
#include "kernels/runtime/exp_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 64;
// Multiply-adds that are worth a second thread: about 5 us of work.
constexpr std::int64_t kGrain = 65536;

// Heads that share a reading of keys and values; sizes but 64 and 128 are rare.
constexpr int most_heads(int size) {
  if (size == 64) return 4;
  return size == 128 ? 2 : 1;
}

// Of `count`, at most `limit`.
constexpr int largest_divisor(int count, int limit) {
  int divisor = count < limit ? count : limit;
  while (count % divisor != 0) --divisor;
  return divisor;
}

template <DType kDType>
inline Floats load(const void* data, std::int64_t at) {
  return load_lanes(Matrix{data, kDType, 1, at + kLanes, at + kLanes}, 0, at, first_lanes(kLanes));
}

// kSize = D; kHeads heads of q that share keys and values.
template <DType kDType, int kSize, int kHeads>
class HeadGroup {
 public:
  HeadGroup(const AttentionDecodeArgs& args, std::int64_t head) : args_(args), head_(head) {
    const std::int64_t offset = head / (args.q.rows / args.kv_heads) * args.head_stride;
    const std::int64_t bytes = bits(kDType) / 8;
    keys_ = static_cast<const char*>(args.keys) + offset * bytes;
    values_ = static_cast<const char*>(args.values) + offset * bytes;
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kVectors; ++i) {
        q_[h][i] = multiply(load<kDType>(args.q.data, (head + h) * args.q.stride + i * kLanes),
                            broadcast(args.scale));
        sums_[h][i] = broadcast(0.0F);
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
      const Floats reciprocal = broadcast(1.0F / totals_[h]);
      for (int i = 0; i < kVectors; ++i) {
        store_lanes(args_.out, head_ + h, i * kLanes, first_lanes(kLanes),
                    multiply(sums_[h][i], reciprocal));
      }
    }
  }

 private:
  static constexpr int kVectors = kSize / kLanes;

  // Of 16 positions from s on, to scores[h][at ...]; lanes from `count` on are -Inf.
  void score(std::int64_t s, std::int64_t count, std::int64_t at, float (*scores)[kBlock]) const {
    Floats products[kHeads][kLanes];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      // The last position again in place of those that do not exist.
      const std::int64_t from = (s + smaller(j, count - 1)) * kSize;
      prefetch_value(from);
      Floats sums[kHeads];
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        const Floats key = load<kDType>(keys_, from + i * kLanes);
#pragma GCC unroll 4
        for (int h = 0; h < kHeads; ++h) {
          sums[h] = i == 0 ? multiply(q_[h][0], key) : multiply_add(q_[h][i], key, sums[h]);
        }
      }
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) products[h][j] = sums[h];
    }
    for (int h = 0; h < kHeads; ++h) {
      store_floats(scores[h] + at,
                   select(first_lanes(count), sum_each(products[h]), broadcast(-INFINITY)));
    }
  }

  // Values come after their keys' scores; without this, half of a block's time is waiting for them.
  void prefetch_value(std::int64_t from) const {
    constexpr std::int64_t kBytes = bits(kDType) / 8, kLine = 64;
    const auto* value = static_cast<const char*>(values_) + from * kBytes;
    for (std::int64_t at = 0; at < kSize * kBytes; at += kLine) {
      _mm_prefetch(value + at, _MM_HINT_T0);
    }
  }

  // In place: scores to exp(score - largest), 0 from `count` on.
  void to_weights(int h, std::int64_t count, float* scores) {
    Floats largest = broadcast(largest_[h]);
    for (std::int64_t i = 0; i < count; i += kLanes) {
      largest = max(load_floats(scores + i), largest);
    }
    rescale(h, max_of_lanes(largest));
    Floats total = broadcast(0.0F);
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const Floats above = subtract(load_floats(scores + i), broadcast(largest_[h]));
      const Floats weight = select(first_lanes(count - i), exp_lanes(above), broadcast(0.0F));
      total = add(total, weight);
      store_floats(scores + i, weight);
    }
    totals_[h] += sum_of_lanes(total);
  }

  void rescale(int h, float largest) {
    if (largest <= largest_[h]) return;
    const float factor = std::exp(largest_[h] - largest);  // 0 for the first block
    largest_[h] = largest;
    totals_[h] *= factor;
    for (Floats& sum : sums_[h]) sum = multiply(sum, broadcast(factor));
  }

  void add_values(std::int64_t s, std::int64_t count, const float (*weights)[kBlock]) {
    constexpr int kWidth = largest_divisor(kVectors, kValueVectors<kHeads>);
    for (int first = 0; first < kVectors; first += kWidth) {
      Floats sums[kHeads][kWidth];  // registers, which members are not
      for (int h = 0; h < kHeads; ++h) {
        for (int i = 0; i < kWidth; ++i) sums[h][i] = sums_[h][first + i];
      }
      for (std::int64_t j = 0; j < count; ++j) {
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) {
          const Floats value = load<kDType>(values_, (s + j) * kSize + (first + i) * kLanes);
#pragma GCC unroll 4
          for (int h = 0; h < kHeads; ++h) {
            sums[h][i] = multiply_add(broadcast(weights[h][j]), value, sums[h][i]);
          }
        }
      }
      for (int h = 0; h < kHeads; ++h) {
        for (int i = 0; i < kWidth; ++i) sums_[h][first + i] = sums[h][i];
      }
    }
  }

  const AttentionDecodeArgs& args_;
  std::int64_t head_;
  const void* keys_;
  const void* values_;
  Floats q_[kHeads][kVectors];
  Floats sums_[kHeads][kVectors];
  float largest_[kHeads];
  float totals_[kHeads];
};

template <DType kDType, int kSize, int kHeads = most_heads(kSize)>
void run_group(const AttentionDecodeArgs& args, std::int64_t head, std::int64_t count) {
  if (count == kHeads) return HeadGroup<kDType, kSize, kHeads>(args, head).run();
  if constexpr (kHeads > 1) run_group<kDType, kSize, kHeads - 1>(args, head, count);
}

template <DType kDType, int kSize>
void run_heads(const AttentionDecodeArgs& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t share = args.q.rows / args.kv_heads;
  while (begin < end) {
    const std::int64_t same_keys = smaller(share - begin % share, end - begin);
    const std::int64_t count = smaller(same_keys, most_heads(kSize));
    run_group<kDType, kSize>(args, begin, count);
    begin += count;
  }
}

template <DType kDType>
void run_range(const AttentionDecodeArgs& args, std::int64_t begin, std::int64_t end) {
  using Run = void (*)(const AttentionDecodeArgs&, std::int64_t, std::int64_t);
  constexpr Run kRuns[] = {run_heads<kDType, 16>,  run_heads<kDType, 32>,  run_heads<kDType, 48>,
                           run_heads<kDType, 64>,  run_heads<kDType, 80>,  run_heads<kDType, 96>,
                           run_heads<kDType, 112>, run_heads<kDType, 128>, run_heads<kDType, 144>,
                           run_heads<kDType, 160>, run_heads<kDType, 176>, run_heads<kDType, 192>,
                           run_heads<kDType, 208>, run_heads<kDType, 224>, run_heads<kDType, 240>,
                           run_heads<kDType, 256>};
  kRuns[args.q.cols / 16 - 1](args, begin, end);
}

inline void run_on_vectors(const AttentionDecodeArgs& args) {
  const auto run = args.q.dtype == DType::kF32    ? run_range<DType::kF32>
                   : args.q.dtype == DType::kBF16 ? run_range<DType::kBF16>
                                                  : run_range<DType::kF16>;
  const std::int64_t grain = kGrain / (args.positions * args.q.cols) + 1;
  parallel_for(args.parallel, args.q.rows, grain,
               [&](std::int64_t begin, std::int64_t end) { run(args, begin, end); });
}

}  // namespace
}  // namespace lowp::kernels
