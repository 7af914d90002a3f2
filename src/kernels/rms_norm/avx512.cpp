// Two passes over a row that stays in L1: squares, then the product.
#include <cmath>

#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/rms_norm/implementations.h"

namespace lowp::kernels {
namespace {

// Some microseconds of work: below it a second thread costs more than it saves.
constexpr std::int64_t kGrainElements = 16384;

Matrix readable(const MutableMatrix& matrix) {
  return {matrix.data, matrix.dtype, matrix.rows, matrix.cols, matrix.stride};
}

float sum_of_squares(const Matrix& x, std::int64_t row) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __m512 value = load_lanes(x, row, i, first_lanes(x.cols - i));
    sum = _mm512_fmadd_ps(value, value, sum);
  }
  return _mm512_reduce_add_ps(sum);
}

void add_to_residual(const RmsNormArgs& args, std::int64_t row) {
  const Matrix old = readable(args.residual);
  for (std::int64_t i = 0; i < args.x.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(args.x.cols - i);
    store_lanes(args.residual, row, i, mask,
                _mm512_add_ps(load_lanes(old, row, i, mask), load_lanes(args.x, row, i, mask)));
  }
}

void normalize_row(const RmsNormArgs& args, const Matrix& x, std::int64_t row) {
  const float mean = sum_of_squares(x, row) / static_cast<float>(x.cols);
  const __m512 factor = _mm512_set1_ps(1.0F / std::sqrt(mean + args.epsilon));
  const __m512 offset = _mm512_set1_ps(args.weight_offset);
  for (std::int64_t i = 0; i < x.cols; i += kLanes) {
    const __mmask16 mask = first_lanes(x.cols - i);
    const __m512 weight = _mm512_add_ps(load_lanes(args.weight, 0, i, mask), offset);
    const __m512 scaled = _mm512_mul_ps(load_lanes(x, row, i, mask), factor);
    store_lanes(args.out, row, i, mask, _mm512_mul_ps(scaled, weight));
  }
}

}  // namespace

void rms_norm_avx512(const RmsNormArgs& args) {
  const bool adds = args.residual.data != nullptr;
  const Matrix x = adds ? readable(args.residual) : args.x;
  const std::int64_t grain = kGrainElements / (x.cols + 1) + 1;
  parallel_for(args.parallel, x.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (adds) add_to_residual(args, row);
      normalize_row(args, x, row);
    }
  });
}

}  // namespace lowp::kernels
