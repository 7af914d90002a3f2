#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_fp8/implementations.h"

namespace lowp::kernels {
namespace {

float scale_of(const float* scale, Block block, std::int64_t k, std::int64_t row,
               std::int64_t col) {
  const std::int64_t groups = (k + block.cols - 1) / block.cols;
  return scale[row / block.rows * groups + col / block.cols];
}

float value_of(DType dtype, std::uint8_t code) {
  return dtype == DType::kF8E4M3 ? E4m3::to_float(code) : E5m2::to_float(code);
}

}  // namespace

void linear_fp8_reference(const LinearFp8Args& args) {
  const std::int64_t k = args.k;
  const std::int64_t group = std::min(args.x_block.cols, args.weight_block.cols);
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    return sum_over_groups(k, group, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        partial += value_of(args.x_dtype, args.x[m * k + i]) *
                   value_of(args.weight_dtype, args.weight[n * k + i]);
      }
      return partial * (scale_of(args.x_scale, args.x_block, k, m, begin) *
                        scale_of(args.weight_scale, args.weight_block, k, n, begin));
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
