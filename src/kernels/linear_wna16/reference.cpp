#include "formats/bf16.h"
#include "formats/packing.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_wna16/implementations.h"

namespace lowp::kernels {
namespace {

float parameter(const void* data, DType dtype, std::int64_t at) {
  if (dtype == DType::kBF16) return Bf16::to_float(static_cast<const std::uint16_t*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

}  // namespace

void linear_wna16_reference(const LinearWnA16Args& args) {
  const std::int64_t k = args.x.cols;
  const std::int64_t groups = k / args.group_size;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const std::uint8_t* row = args.weight + n * (k / 8 * args.bits);
    return sum_over_groups(k, args.group_size, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t group = n * groups + begin / args.group_size;
      // What is taken off a stored code.
      int offset = args.zero == nullptr ? intx_offset(args.bits) : 0;
      if (args.zero_point != nullptr) offset += args.zero_point[group];
      float partial = 0.0F;
      float x_sum = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        const float x = load_element(args.x, m, i);
        const int stored = static_cast<int>(bit_stream_code(row, i, args.bits));
        partial += x * static_cast<float>(stored - offset);
        x_sum += x;
      }
      const float scaled = partial * parameter(args.scale, args.scale_dtype, group);
      if (args.zero == nullptr) return scaled;
      return scaled + x_sum * parameter(args.zero, args.scale_dtype, group);
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
