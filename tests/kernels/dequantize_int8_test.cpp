#include "kernels/dequantize_int8/dequantize_int8.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeInt8Args;

class DequantizeInt8 : public EachImplementation<Args> {
 protected:
  // Codes of every value; scales and zero points by position, some of them special.
  void expect_reference(TestMatrix out, Block block, bool with_zero_point) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::int8_t> codes(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int8_t>(i * 37);
    const auto blocks = static_cast<std::size_t>((rows / block.rows) * (cols / block.cols));
    const std::vector<float> scales = special_scales(blocks);
    std::vector<std::int8_t> zero_points(blocks);
    for (std::size_t i = 0; i < blocks; ++i)
      zero_points[i] = static_cast<std::int8_t>(i * 51 - 128);
    TestMatrix expected = out;
    const auto args = [&](TestMatrix& target, const ParallelFor* parallel) {
      return Args{codes.data(),  block,
                  scales.data(), with_zero_point ? zero_points.data() : nullptr,
                  target.out(),  parallel};
    };
    dequantize_int8_implementations().back().run(args(expected, nullptr));
    GetParam().run(args(out, three_threads()));
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " block " << block.cols;
  }
};

TEST_P(DequantizeInt8, EqualsReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t cols : {1, 15, 16, 31, 32, 33, 100, 576}) {
      for (const bool with_zero_point : {false, true}) {
        expect_reference(TestMatrix(dtype, 12, cols, cols % 3, cols % 2), {1, cols},
                         with_zero_point);
      }
    }
    for (const std::int64_t group : {1, 8, 32, 48, 128}) {
      expect_reference(TestMatrix(dtype, 5, 4 * group, 3, 1), {1, group}, true);
    }
    expect_reference(TestMatrix(dtype, 64, 512), {64, 512}, true);
    expect_reference(TestMatrix(dtype, 64, 512), {1, 512}, false);
  }
}

// (code - zero_point) * scale.
TEST_P(DequantizeInt8, GoldenValues) {
  const std::vector<std::int8_t> codes{-128, 127, 0, 3};
  const float scale = 0.5F;
  const std::int8_t zero_point = -1;
  TestMatrix out(DType::kF32, 1, 4);
  GetParam().run({codes.data(), {1, 4}, &scale, &zero_point, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 0), -63.5F);
  EXPECT_EQ(out.at(0, 1), 64.0F);
  EXPECT_EQ(out.at(0, 2), 0.5F);
  EXPECT_EQ(out.at(0, 3), 2.0F);
}

// 257 / 256 lies between two bf16 numbers and rounds to the even one; 3 * 2^15 is Inf in fp16.
TEST_P(DequantizeInt8, RoundsOnceToTheOutput) {
  const std::vector<std::int8_t> codes{1, 3};
  const float scale = 257.0F / 256.0F;
  TestMatrix bf16(DType::kBF16, 1, 2);
  GetParam().run({codes.data(), {1, 2}, &scale, nullptr, bf16.out(), nullptr});
  EXPECT_EQ(bf16.at(0, 0), 1.0F);
  EXPECT_EQ(bf16.at(0, 1), 3.015625F);
  const float huge = 0x1p15F;
  TestMatrix fp16(DType::kF16, 1, 2);
  GetParam().run({codes.data(), {1, 2}, &huge, nullptr, fp16.out(), nullptr});
  EXPECT_EQ(fp16.at(0, 0), 0x1p15F);
  EXPECT_EQ(fp16.at(0, 1), kInf);
}

LOWP_EACH_IMPLEMENTATION(DequantizeInt8, dequantize_int8_implementations());

}  // namespace
}  // namespace lowp::kernels
