#include "kernels/quantize_fp8/cuda_scheme.h"
#include "kernels/silu_mul_quantize_fp8/cuda.h"

namespace lowp::kernels {
namespace {

// gate / (1 + e^-gate): expf and the quotient are within 2 ulp, the sum and the product within half
// of one. Where 1 + e^-gate is above 2^126 the quotient is 0.
__device__ float silu_mul(float gate, float up) {
  return __fmul_rn(__fdividef(gate, __fadd_rn(1.0F, expf(-gate))), up);
}

template <class T>
struct SiluMul {
  using Element = T;
  struct Raw {
    Eight<T> gate;
    Eight<T> up;
  };
  static constexpr int kBytes = 2 * sizeof(Scalar<T>);

  Plain<T> gate;
  Plain<T> up;

  template <bool kAligned, Reuse kReuse>
  __device__ Raw load(std::int64_t row, std::int64_t col, int count) const {
    return {gate.template load<kAligned, kReuse>(row, col, count),
            up.template load<kAligned, kReuse>(row, col, count)};
  }
  __device__ Eight<T> finish(const Raw& raw) const {
    Eight<T> product;
#pragma unroll
    for (int i = 0; i < kEight; i += 2) {
      product.set_pair(i, silu_mul(raw.gate.at(i), raw.up.at(i)),
                       silu_mul(raw.gate.at(i + 1), raw.up.at(i + 1)));
    }
    return product;
  }
  bool is_contiguous(std::int64_t cols) const {
    return gate.is_contiguous(cols) && up.is_contiguous(cols);
  }
};

}  // namespace

const char* silu_mul_quantize_fp8_cuda(const QuantizeFp8Args& quantize, const Matrix& up,
                                       void* stream) {
  const Matrix& gate = quantize.x;
  if (gate.rows == 0 || gate.cols == 0) return nullptr;
  const bool aligned = has_vectors(gate) && has_vectors(up) && is_aligned(quantize.codes, 8);
  with_fp8_scheme(quantize, [&](const auto& scheme) {
    with_element(gate.dtype, [&]<class T>(T) {
      quantize_in_blocks(SiluMul<T>{Plain<T>(gate), Plain<T>(up)}, scheme, gate.rows, gate.cols,
                         quantize.block, aligned, quantize.codes,
                         static_cast<cudaStream_t>(stream));
    });
  });
  return launch_error();
}

}  // namespace lowp::kernels
