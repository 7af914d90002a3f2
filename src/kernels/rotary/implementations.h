#pragma once

#include "kernels/rotary/rotary.h"

namespace lowp::kernels {

void rotary_avx512(const RotaryArgs& args);
void rotary_avx2(const RotaryArgs& args);
void rotary_reference(const RotaryArgs& args);

// One head of every token: a matrix (T, D). Static: each ISA level keeps its own copy.
static inline Matrix head_of(const Matrix& x, std::int64_t head, std::int64_t head_dim) {
  const std::int64_t bytes = bits(x.dtype) / 8;
  return {static_cast<const char*>(x.data) + head * head_dim * bytes, x.dtype, x.rows, head_dim,
          x.stride};
}

static inline MutableMatrix head_of(const MutableMatrix& x, std::int64_t head,
                                    std::int64_t head_dim) {
  const std::int64_t bytes = bits(x.dtype) / 8;
  return {static_cast<char*>(x.data) + head * head_dim * bytes, x.dtype, x.rows, head_dim,
          x.stride};
}

static inline MutableMatrix head_of(const CacheSlots& slots, std::int64_t head, std::int64_t tokens,
                                    std::int64_t head_dim) {
  const std::int64_t bytes = bits(slots.dtype) / 8;
  return {static_cast<char*>(slots.data) + head * slots.head_stride * bytes, slots.dtype, tokens,
          head_dim, head_dim};
}

}  // namespace lowp::kernels
