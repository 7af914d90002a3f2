#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeNvfp4Args;

class DequantizeNvfp4 : public EachImplementation<Args> {
 protected:
  void expect_reference(TestMatrix out, float tensor_scale) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols / 2));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 37);
    std::vector<std::uint8_t> scales(static_cast<std::size_t>(rows * cols / 16));
    for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<std::uint8_t>(i * 5);
    TestMatrix expected = out;
    dequantize_nvfp4_implementations().back().run(
        {codes.data(), scales.data(), &tensor_scale, expected.out(), nullptr});
    GetParam().run({codes.data(), scales.data(), &tensor_scale, out.out(), three_threads()});
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " " << tensor_scale;
  }
};

// 256 and more blocks: every scale byte, every code.
TEST_P(DequantizeNvfp4, EqualsReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const float scale : special_scales(40)) {
      expect_reference(TestMatrix(dtype, 100, 48, 3, 1), scale);
    }
    expect_reference(TestMatrix(dtype, 128, 1024), 0.01F);
  }
}

TEST_P(DequantizeNvfp4, GoldenValues) {
  const std::vector<std::uint8_t> codes(8, 0x5F);  // -6, then 3
  const std::uint8_t block_scale = 0x40;           // 2
  const float tensor_scale = 0.25F;
  TestMatrix out(DType::kF16, 1, 16);
  GetParam().run({codes.data(), &block_scale, &tensor_scale, out.out(), nullptr});
  EXPECT_EQ(out.at(0, 0), -3.0F);
  EXPECT_EQ(out.at(0, 1), 1.5F);
}

LOWP_EACH_IMPLEMENTATION(DequantizeNvfp4, dequantize_nvfp4_implementations());

}  // namespace
}  // namespace lowp::kernels
