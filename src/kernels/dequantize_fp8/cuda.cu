#include <cuda_fp8.h>

#include "kernels/dequantize_fp8/cuda.h"
#include "kernels/quantize_common/cuda_dequantize.h"

namespace lowp::kernels {
namespace {

template <__nv_fp8_interpretation_t kFormat>
struct Fp8Values {
  using Decoding = float;
  static constexpr int kBits = 8;
  const float* scale;

  __device__ Decoding at(std::int64_t index) const { return scale[index]; }
  // Every float8 is an fp16.
  __device__ float value(unsigned code, Decoding block_scale) const {
    const auto byte = static_cast<__nv_fp8_storage_t>(code);
    return __fmul_rn(__half2float(__nv_cvt_fp8_to_halfraw(byte, kFormat)), block_scale);
  }
};

}  // namespace

const char* dequantize_fp8_cuda(const DequantizeFp8Args& args, void* stream) {
  if (args.element == DType::kF8E4M3) {
    return dequantize_matrix(Fp8Values<__NV_E4M3>{args.scale}, args.codes, args.out, args.block,
                             stream);
  }
  return dequantize_matrix(Fp8Values<__NV_E5M2>{args.scale}, args.codes, args.out, args.block,
                           stream);
}

}  // namespace lowp::kernels
