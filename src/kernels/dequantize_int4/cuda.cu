#include "formats/affine.h"
#include "kernels/dequantize_int4/cuda.h"
#include "kernels/quantize_common/cuda_dequantize.h"

namespace lowp::kernels {
namespace {

struct AffineInt4Values {
  using Decoding = AffineParams;
  static constexpr int kBits = 4;
  const float* scale;
  const std::int8_t* zero_point;

  __device__ Decoding at(std::int64_t index) const {
    return {scale[index], zero_point == nullptr ? 0 : zero_point[index]};
  }
  __device__ float value(unsigned code, const Decoding& group) const {
    return affine_dequantize(sign_extend(code, kBits), group.scale, group.zero_point);
  }
};

struct FloatZeroInt4Values {
  using Decoding = FloatZeroParams;
  static constexpr int kBits = 4;
  const float* scale;
  const float* zero;

  __device__ Decoding at(std::int64_t index) const { return {scale[index], zero[index]}; }
  __device__ float value(unsigned code, const Decoding& group) const {
    return int4_float_zero_dequantize(sign_extend(code, kBits), group);
  }
};

}  // namespace

const char* dequantize_int4_cuda(const DequantizeInt4Args& args, void* stream) {
  const Block group{1, args.group_size};
  if (args.zero == nullptr) {
    return dequantize_matrix(AffineInt4Values{args.scale, args.zero_point}, args.codes, args.out,
                             group, stream);
  }
  return dequantize_matrix(FloatZeroInt4Values{args.scale, args.zero}, args.codes, args.out, group,
                           stream);
}

}  // namespace lowp::kernels
