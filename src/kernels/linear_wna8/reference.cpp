#include "formats/bf16.h"
#include "formats/packing.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_wna8/implementations.h"

namespace lowp::kernels {
namespace {

float parameter(const void* data, DType dtype, std::int64_t at) {
  if (dtype == DType::kBF16) return Bf16::to_float(static_cast<const std::uint16_t*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

}  // namespace

void linear_wna8_reference(const LinearWnA8Args& args) {
  const std::int64_t groups = args.k / args.group_size;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const std::int8_t* x = args.x + m * args.k;
    const std::uint8_t* weight = args.weight + n * (args.k / 8 * args.bits);
    const int x_zero_point = args.x_zero_point == nullptr ? 0 : args.x_zero_point[m];
    const float total =
        sum_over_groups(args.k, args.group_size, [&](std::int64_t begin, std::int64_t end) {
          const std::int64_t group = n * groups + begin / args.group_size;
          const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[group];
          std::int32_t partial = 0;
          for (std::int64_t i = begin; i < end; ++i) {
            partial += (x[i] - x_zero_point) * (intx_code(weight, i, args.bits) - zero_point);
          }
          return static_cast<float>(partial) * parameter(args.scale, args.scale_dtype, group);
        });
    return total * args.x_scale[m];
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
