#include "formats/e4m3.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_fp8_weight_only/implementations.h"

namespace lowp::kernels {

void linear_fp8_weight_only_reference(const LinearFp8WeightOnlyArgs& args) {
  const std::int64_t k = args.x.cols;
  const Block block = args.weight_block;
  const std::int64_t groups = (k + block.cols - 1) / block.cols;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    return sum_over_groups(k, block.cols, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        partial += load_element(args.x, m, i) * E4m3::to_float(args.weight[n * k + i]);
      }
      return partial * args.weight_scale[n / block.rows * groups + begin / block.cols];
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
