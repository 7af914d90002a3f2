#include "kernels/dequantize_fp8/dequantize_fp8.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeFp8Args;

class DequantizeFp8 : public EachImplementation<Args> {
 protected:
  void expect_reference(TestMatrix out, Block block, DType element) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 37);
    const auto blocks =
        ((rows + block.rows - 1) / block.rows) * ((cols + block.cols - 1) / block.cols);
    const std::vector<float> scales = special_scales(static_cast<std::size_t>(blocks));
    TestMatrix expected = out;
    dequantize_fp8_implementations().back().run(
        {codes.data(), element, block, scales.data(), expected.out(), nullptr});
    GetParam().run({codes.data(), element, block, scales.data(), out.out(), three_threads()});
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " block " << block.cols;
  }
};

TEST_P(DequantizeFp8, EqualsReference) {
  for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const std::int64_t cols : {1, 15, 16, 31, 32, 33, 100, 576}) {
        expect_reference(TestMatrix(dtype, 40, cols, cols % 3, cols % 2), {1, cols}, element);
        expect_reference(TestMatrix(dtype, 40, cols, cols % 3, cols % 2), {1, 16}, element);
      }
      expect_reference(TestMatrix(dtype, 150, 700), {128, 128}, element);
      expect_reference(TestMatrix(dtype, 150, 700), {150, 700}, element);
    }
  }
}

TEST_P(DequantizeFp8, GoldenValues) {
  const std::vector<std::uint8_t> codes{0x7E, 0x38, 0x01, 0x80, 0xFF, 0xFC};
  const float scale = 2.0F;
  TestMatrix out(DType::kF32, 1, 6);
  GetParam().run({codes.data(), DType::kF8E4M3, {1, 6}, &scale, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 0), 896.0F);
  EXPECT_EQ(out.at(0, 1), 2.0F);
  EXPECT_EQ(out.at(0, 2), 0x1p-8F);
  EXPECT_TRUE(std::signbit(out.at(0, 3)));
  EXPECT_TRUE(std::isnan(out.at(0, 4)));
  EXPECT_EQ(out.at(0, 5), -768.0F);
  GetParam().run({codes.data(), DType::kF8E5M2, {1, 6}, &scale, out.out(), nullptr});
  EXPECT_TRUE(std::isnan(out.at(0, 0)));
  EXPECT_EQ(out.at(0, 1), 1.0F);
  EXPECT_EQ(out.at(0, 2), 0x1p-15F);
  EXPECT_EQ(out.at(0, 5), -kInf);
}

LOWP_EACH_IMPLEMENTATION(DequantizeFp8, dequantize_fp8_implementations());

}  // namespace
}  // namespace lowp::kernels
