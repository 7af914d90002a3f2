#include "ops/int8_activations.h"

#include "ops/torch_pool.h"

namespace lowp::ops {

Int8Activations::Int8Activations(std::int64_t m, std::int64_t k, bool asymmetric)
    : scale_offset_(ceil_div(m * k, 64) * 64),
      zero_point_offset_(scale_offset_ + m * 4),
      asymmetric_(asymmetric),
      memory_(zero_point_offset_ + m) {}

void Int8Activations::quantize(const kernels::Matrix& x) const {
  kernels::QuantizeInt8Args args = int8_quantization(x, asymmetric_);
  args.codes = codes();
  args.scale = scale();
  args.zero_point = zero_point();
  args.parallel = torch_pool();
  kernels::quantize_int8(args);
}

}  // namespace lowp::ops
