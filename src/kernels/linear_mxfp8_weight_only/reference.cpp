#include "formats/e4m3.h"
#include "formats/e8m0.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_mxfp8_weight_only/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

}  // namespace

void linear_mxfp8_weight_only_reference(const LinearMxfp8WeightOnlyArgs& args) {
  const std::int64_t k = args.x.cols;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    return sum_over_groups(k, kBlock, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        partial += load_element(args.x, m, i) * E4m3::to_float(args.weight[n * k + i]);
      }
      return partial * E8m0::to_float(args.weight_scale[n * (k / kBlock) + begin / kBlock]);
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
