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
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
