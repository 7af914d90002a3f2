#include "ops/int8_activations.h"

#include "kernels/quantize_int8/quantize_int8.h"
#include "ops/torch_pool.h"

namespace lowp::ops {

Int8Activations::Int8Activations(std::int64_t m, std::int64_t k, bool asymmetric)
    : scale_offset_(ceil_div(m * k, 64) * 64),
      zero_point_offset_(scale_offset_ + m * 4),
      asymmetric_(asymmetric),
      memory_(zero_point_offset_ + m) {}

void Int8Activations::quantize(const kernels::Matrix& x) const {
  kernels::quantize_int8({
      .x = x,
      .block = {1, x.cols},
      .mapping = asymmetric_ ? Mapping::kAsymmetric : Mapping::kSymmetric,
      .scale_dtype = DType::kF32,
      .epsilon = 0x1p-23F,
      .codes = codes(),
      .scale = scale(),
      .zero_point = zero_point(),
      .parallel = torch_pool(),
  });
}

bool check_asymmetric_activations(const char* operation, std::string_view mapping) {
  return check_choice<bool>(operation, "activation_mapping", mapping,
                            {{"symmetric", false}, {"asymmetric", true}});
}

}  // namespace lowp::ops
