#include "formats/bf16.h"
#include "kernels/linear_bf16/implementations.h"
#include "kernels/linear_common/reference_inl.h"

namespace lowp::kernels {

void linear_bf16_reference(const LinearBf16Args& args) {
  const std::int64_t k = args.x.cols;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    float total = 0.0F;
    for (std::int64_t i = 0; i < k; ++i) {
      total += load_element(args.x, m, i) * Bf16::to_float(args.weight[n * k + i]);
    }
    return total;
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
