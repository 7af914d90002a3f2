#include "kernels/dequantize_int4/dequantize_int4.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeInt4Args;
enum class Zero : std::uint8_t { kNone, kInteger, kFloat };

class DequantizeInt4 : public EachImplementation<Args> {
 protected:
  void expect_reference(TestMatrix out, std::int64_t group_size, Zero kind) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols / 2));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 37);
    const auto groups = static_cast<std::size_t>(rows * cols / group_size);
    const std::vector<float> scales = special_scales(groups);
    std::vector<float> zeros(groups);
    std::vector<std::int8_t> zero_points(groups);
    for (std::size_t i = 0; i < groups; ++i) {
      zeros[i] = scales[(i + 5) % groups];
      zero_points[i] = static_cast<std::int8_t>(i % 16 - 8);
    }
    TestMatrix expected = out;
    const auto args = [&](TestMatrix& target, const ParallelFor* parallel) {
      return Args{codes.data(),
                  group_size,
                  scales.data(),
                  kind == Zero::kInteger ? zero_points.data() : nullptr,
                  kind == Zero::kFloat ? zeros.data() : nullptr,
                  target.out(),
                  parallel};
    };
    dequantize_int4_implementations().back().run(args(expected, nullptr));
    GetParam().run(args(out, three_threads()));
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " group " << group_size;
  }
};

TEST_P(DequantizeInt4, EqualsReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t group : {2, 8, 14, 16, 30, 32, 34, 64, 128}) {
      for (const Zero kind : {Zero::kNone, Zero::kInteger, Zero::kFloat}) {
        expect_reference(TestMatrix(dtype, 7, 3 * group, group % 3, 1), group, kind);
      }
    }
    expect_reference(TestMatrix(dtype, 64, 512), 32, Zero::kInteger);
  }
}

// Byte 0x8F: even column -1, odd column -8.
TEST_P(DequantizeInt4, GoldenValues) {
  const std::vector<std::uint8_t> codes{0x8F, 0x70};
  const float scale = 0.5F;
  const std::int8_t zero_point = 2;
  const float zero = 10.0F;
  TestMatrix out(DType::kF32, 1, 4);
  GetParam().run({codes.data(), 4, &scale, nullptr, nullptr, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 0), -0.5F);
  EXPECT_EQ(out.at(0, 1), -4.0F);
  EXPECT_EQ(out.at(0, 2), 0.0F);
  EXPECT_EQ(out.at(0, 3), 3.5F);
  GetParam().run({codes.data(), 4, &scale, &zero_point, nullptr, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 1), -5.0F);
  EXPECT_EQ(out.at(0, 2), -1.0F);
  GetParam().run({codes.data(), 4, &scale, nullptr, &zero, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 1), 6.0F);
  EXPECT_EQ(out.at(0, 2), 10.0F);
}

LOWP_EACH_IMPLEMENTATION(DequantizeInt4, dequantize_int4_implementations());

}  // namespace
}  // namespace lowp::kernels
