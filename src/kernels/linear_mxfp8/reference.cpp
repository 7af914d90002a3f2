#include "formats/e4m3.h"
#include "formats/e8m0.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_mxfp8/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

}  // namespace

void linear_mxfp8_reference(const LinearMxfp8Args& args) {
  const std::int64_t k = args.k;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    return sum_over_groups(k, kBlock, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        partial += E4m3::to_float(args.x[m * k + i]) * E4m3::to_float(args.weight[n * k + i]);
      }
      const std::int64_t block = begin / kBlock;
      return partial * (E8m0::to_float(args.x_scale[m * (k / kBlock) + block]) *
                        E8m0::to_float(args.weight_scale[n * (k / kBlock) + block]));
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
