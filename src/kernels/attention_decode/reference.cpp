#include <cmath>

#include "kernels/attention_decode/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

Matrix head(const AttentionDecodeArgs& args, const void* cache, std::int64_t kv_head) {
  const std::int64_t bytes = bits(args.q.dtype) / 8;
  return {static_cast<const char*>(cache) + kv_head * args.head_stride * bytes, args.q.dtype,
          args.positions, args.q.cols, args.q.cols};
}

float score(const AttentionDecodeArgs& args, const Matrix& keys, std::int64_t h, std::int64_t s) {
  float dot = 0.0F;
  for (std::int64_t i = 0; i < args.q.cols; ++i) {
    dot += load_element(args.q, h, i) * load_element(keys, s, i);
  }
  return dot * args.scale;
}

}  // namespace

// Scores are computed anew for each use: a kernel has nowhere to keep them.
void attention_decode_reference(const AttentionDecodeArgs& args) {
  const std::int64_t group = args.q.rows / args.kv_heads;
  for (std::int64_t h = 0; h < args.q.rows; ++h) {
    const Matrix keys = head(args, args.keys, h / group);
    const Matrix values = head(args, args.values, h / group);
    float largest = score(args, keys, h, 0);
    for (std::int64_t s = 1; s < args.positions; ++s) {
      largest = std::fmax(largest, score(args, keys, h, s));
    }
    for (std::int64_t i = 0; i < args.q.cols; ++i) {
      float total = 0.0F, sum = 0.0F;
      for (std::int64_t s = 0; s < args.positions; ++s) {
        const float weight = std::exp(score(args, keys, h, s) - largest);
        total += weight;
        sum += weight * load_element(values, s, i);
      }
      store_element(args.out, h, i, sum / total);
    }
  }
}

}  // namespace lowp::kernels
