#include "formats/bf16.h"
#include "formats/integers.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_w4a8/implementations.h"

namespace lowp::kernels {
namespace {

int int4_code(const std::uint8_t* row, std::int64_t k) {
  return sign_extend(k % 2 == 0 ? row[k / 2] : row[k / 2] >> 4, 4);
}

float parameter(const void* data, DType dtype, std::int64_t at) {
  if (dtype == DType::kBF16) return Bf16::to_float(static_cast<const std::uint16_t*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

}  // namespace

void linear_w4a8_reference(const LinearW4A8Args& args) {
  const std::int64_t groups = args.k / args.group_size;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const std::int8_t* x = args.x + m * args.k;
    const std::uint8_t* weight = args.weight + n * args.k / 2;
    const int x_zero_point = args.x_zero_point == nullptr ? 0 : args.x_zero_point[m];
    const float total =
        sum_over_groups(args.k, args.group_size, [&](std::int64_t begin, std::int64_t end) {
          const std::int64_t group = n * groups + begin / args.group_size;
          const int zero_point = args.zero_point == nullptr ? 0 : args.zero_point[group];
          std::int32_t partial = 0;
          std::int32_t x_sum = 0;
          for (std::int64_t i = begin; i < end; ++i) {
            const int code = x[i] - x_zero_point;
            partial += code * (int4_code(weight, i) - zero_point);
            x_sum += code;
          }
          const float scaled =
              static_cast<float>(partial) * parameter(args.scale, args.scale_dtype, group);
          if (args.zero == nullptr) return scaled;
          return scaled + static_cast<float>(x_sum) * parameter(args.zero, args.scale_dtype, group);
        });
    return total * args.x_scale[m];
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
