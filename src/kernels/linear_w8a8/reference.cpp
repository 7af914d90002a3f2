#include "formats/integers.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_w8a8/implementations.h"

namespace lowp::kernels {

void linear_w8a8_reference(const LinearW8A8Args& args) {
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const std::int8_t* x = args.x + m * args.k;
    const std::int8_t* weight = args.weight + n * args.k;
    std::int32_t total = 0;
    for (std::int64_t i = 0; i < args.k; ++i) total += std::int32_t{x[i]} * weight[i];
    if (args.x_zero_point != nullptr) total -= args.x_zero_point[m] * args.weight_row_sums[n];
    return static_cast<float>(total) * args.x_scale[m] * args.weight_scale[n];
  };
  const auto finish = [&](float value) {
    value = static_cast<float>(activate(args.epilogue.activation, value));
    if (args.out.dtype != DType::kI8) return value;
    const float steps = round_even(value * args.epilogue.reciprocal_scale);
    return static_cast<float>(clamp_to_int(steps, kInt8, 0));
  };
  reference_linear(args.out, args.bias, args.parallel, sum, finish);
}

}  // namespace lowp::kernels
