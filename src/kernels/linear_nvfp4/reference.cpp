#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/pack_weight/layout.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 16;

}  // namespace

void linear_nvfp4_reference(const LinearNvfp4Args& args) {
  const std::int64_t k = args.x.cols;
  const std::int64_t groups = k / kBlock;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const float total = sum_over_groups(k, kBlock, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = args.packed ? packed_byte(n, i / 2, k / 2) : (n * k + i) / 2;
        const std::uint8_t pair = args.weight[at];
        partial += load_element(args.x, m, i) * E2m1::to_float(i % 2 == 0 ? pair : pair >> 4);
      }
      const std::int64_t group = begin / kBlock;
      const std::int64_t at = args.packed ? packed_element(n, group, groups) : n * groups + group;
      return partial * E4m3::to_float(args.weight_block_scale[at]);
    });
    return total * args.weight_tensor_scale[0];
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
