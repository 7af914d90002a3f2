#include "formats/affine.h"
#include "kernels/dequantize_int8/cuda.h"
#include "kernels/quantize_common/cuda_dequantize.h"

namespace lowp::kernels {
namespace {

struct Int8Values {
  using Decoding = AffineParams;
  static constexpr int kBits = 8;
  const float* scale;
  const std::int8_t* zero_point;

  __device__ Decoding at(std::int64_t index) const {
    return {scale[index], zero_point == nullptr ? 0 : zero_point[index]};
  }
  __device__ float value(unsigned code, const Decoding& block) const {
    return affine_dequantize(static_cast<std::int8_t>(code), block.scale, block.zero_point);
  }
};

}  // namespace

const char* dequantize_int8_cuda(const DequantizeInt8Args& args, void* stream) {
  return dequantize_matrix(Int8Values{args.scale, args.zero_point}, args.codes, args.out,
                           args.block, stream);
}

}  // namespace lowp::kernels
