#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_w8a16/implementations.h"

namespace lowp::kernels {

void linear_w8a16_reference(const LinearW8A16Args& args) {
  const std::int64_t k = args.x.cols;
  const std::int64_t groups = k / args.group_size;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    return sum_over_groups(k, args.group_size, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        partial += load_element(args.x, m, i) * static_cast<float>(args.weight[n * k + i]);
      }
      return partial * args.scale[n * groups + begin / args.group_size];
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
