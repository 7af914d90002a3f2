#include "formats/e2m3.h"
#include "formats/e3m2.h"
#include "formats/e8m0.h"
#include "formats/packing.h"
#include "kernels/linear_common/reference_inl.h"
#include "kernels/linear_mxfp6/implementations.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kBlock = 32;

}  // namespace

void linear_mxfp6_reference(const LinearMxfp6Args& args) {
  const std::int64_t k = args.x.cols;
  const auto to_float = args.element == DType::kF6E2M3 ? E2m3::to_float : E3m2::to_float;
  const auto sum = [&](std::int64_t m, std::int64_t n) {
    const std::uint8_t* row = args.weight + n * bit_stream_bytes(k, 6);
    return sum_over_groups(k, kBlock, [&](std::int64_t begin, std::int64_t end) {
      float partial = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) {
        const auto code = static_cast<std::uint8_t>(bit_stream_code(row, i, 6));
        partial += load_element(args.x, m, i) * to_float(code);
      }
      return partial * E8m0::to_float(args.weight_scale[n * (k / kBlock) + begin / kBlock]);
    });
  };
  reference_linear(args.out, args.bias, args.parallel, sum);
}

}  // namespace lowp::kernels
