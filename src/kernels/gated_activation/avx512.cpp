#include "kernels/gated_activation/implementations.h"
#include "kernels/linear_common/avx512_vector_inl.h"
#include "kernels/runtime/exp_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kGrainElements = 8192;

template <GateActivation kActivation>
inline __m512 activate(__m512 x) {
  __m512 slope = x;
  if constexpr (kActivation == GateActivation::kGeluTanh) {
    const __m512 square = _mm512_mul_ps(x, x);
    const __m512 cubic = _mm512_fmadd_ps(square, _mm512_set1_ps(kGeluCubic), _mm512_set1_ps(1.0F));
    slope = _mm512_mul_ps(_mm512_mul_ps(x, cubic), _mm512_set1_ps(kGeluSlope));
  }
  const __m512 one = _mm512_set1_ps(1.0F);
  const __m512 minus = _mm512_sub_ps(_mm512_setzero_ps(), slope);
  return _mm512_div_ps(x, _mm512_add_ps(one, exp_lanes(minus)));
}

template <GateActivation kActivation>
void run_row(const GatedActivationArgs& args, std::int64_t row) {
  const std::int64_t cols = args.gate.cols;
  for (std::int64_t i = 0; i < cols; i += kLanes) {
    const __mmask16 mask = first_lanes(cols - i);
    const __m512 gate = activate<kActivation>(load_lanes(args.gate, row, i, mask));
    store_lanes(args.out, row, i, mask, _mm512_mul_ps(gate, load_lanes(args.up, row, i, mask)));
  }
}

}  // namespace

void gated_activation_avx512(const GatedActivationArgs& args) {
  const std::int64_t cols = args.gate.cols;
  const std::int64_t grain = kGrainElements / (cols + 1) + 1;
  const auto run = args.activation == GateActivation::kSilu ? run_row<GateActivation::kSilu>
                                                            : run_row<GateActivation::kGeluTanh>;
  parallel_for(args.parallel, args.gate.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) run(args, row);
  });
}

}  // namespace lowp::kernels
