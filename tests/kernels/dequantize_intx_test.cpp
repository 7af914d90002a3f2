#include "kernels/dequantize_intx/dequantize_intx.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeIntxArgs;

class DequantizeIntx : public EachImplementation<Args> {
 protected:
  void expect_reference(TestMatrix out, int bits, std::int64_t group_size, bool points) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols / 8 * bits));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 37);
    const auto groups = static_cast<std::size_t>(rows * cols / group_size);
    const std::vector<float> scales = special_scales(groups);
    std::vector<std::int8_t> zero_points(groups);
    for (std::size_t i = 0; i < groups; ++i) {
      zero_points[i] = static_cast<std::int8_t>(i % 128 - 64);
    }
    TestMatrix expected = out;
    const auto args = [&](TestMatrix& target, const ParallelFor* parallel) {
      return Args{
          codes.data(), bits,    group_size, scales.data(), points ? zero_points.data() : nullptr,
          target.out(), parallel};
    };
    dequantize_intx_implementations().back().run(args(expected, nullptr));
    GetParam().run(args(out, three_threads()));
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " group " << group_size << " bits " << bits;
  }
};

TEST_P(DequantizeIntx, EqualsReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (int bits = 1; bits <= 7; ++bits) {
      for (const std::int64_t group : {8, 16, 24, 40, 64, 128, 576}) {
        for (const bool points : {false, true}) {
          expect_reference(TestMatrix(dtype, 7, 3 * group, group % 3, 1), bits, group, points);
        }
      }
    }
    expect_reference(TestMatrix(dtype, 64, 512), 3, 32, true);
  }
}

// Three bits: codes 0 to 7, less 4, the first one lowest.
TEST_P(DequantizeIntx, GoldenValues) {
  const std::vector<std::uint8_t> codes{0b10'001'000, 0b1'100'011'0, 0b111'110'10};
  const float scale = 0.5F;
  const std::int8_t zero_point = -4;
  TestMatrix out(DType::kF32, 1, 8);
  GetParam().run({codes.data(), 3, 8, &scale, nullptr, out.out(), nullptr});
  for (int col = 0; col < 8; ++col) EXPECT_EQ(out.at(0, col), 0.5F * static_cast<float>(col - 4));
  GetParam().run({codes.data(), 3, 8, &scale, &zero_point, out.out(), nullptr});
  for (int col = 0; col < 8; ++col) EXPECT_EQ(out.at(0, col), 0.5F * static_cast<float>(col));
}

LOWP_EACH_IMPLEMENTATION(DequantizeIntx, dequantize_intx_implementations());

}  // namespace
}  // namespace lowp::kernels
