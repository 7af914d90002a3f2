#include "kernels/dequantize_mx/dequantize_mx.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = DequantizeMxArgs;

class DequantizeMx : public EachImplementation<Args> {
 protected:
  void expect_reference(TestMatrix out, DType element, std::int64_t block_size) {
    const auto [data, dtype, rows, cols, stride] = out.view();
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols));
    const int mask = element == DType::kF6E2M3 || element == DType::kF6E3M2 ? 0x3F : 0xFF;
    for (std::size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<std::uint8_t>(i * 37 & mask);
    std::vector<std::uint8_t> scales(static_cast<std::size_t>(rows * cols / block_size));
    for (std::size_t i = 0; i < scales.size(); ++i)
      scales[i] = static_cast<std::uint8_t>(i * 5 + 250);
    TestMatrix expected = out;
    dequantize_mx_implementations().back().run(
        {codes.data(), element, block_size, scales.data(), expected.out(), nullptr});
    GetParam().run({codes.data(), element, block_size, scales.data(), out.out(), three_threads()});
    EXPECT_EQ(first_difference(out.bytes(), expected.bytes()), -1)
        << name(dtype) << " " << rows << "x" << cols << " " << name(element);
  }
};

// 256 and more blocks: every scale byte, every code.
TEST_P(DequantizeMx, EqualsReference) {
  for (const DType element :
       {DType::kF8E4M3, DType::kF8E5M2, DType::kF6E2M3, DType::kF6E3M2, DType::kF4}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const std::int64_t block_size : {2, 16, 32, 48}) {
        expect_reference(TestMatrix(dtype, 90, 3 * block_size, block_size % 3, 1), element,
                         block_size);
      }
      expect_reference(TestMatrix(dtype, 128, 1024), element, 32);
    }
  }
}

TEST_P(DequantizeMx, GoldenValues) {
  std::vector<std::uint8_t> codes(32, 0x5F);  // e2m1 pairs: -6, then 3
  const std::vector<std::uint8_t> scales{129, 255};
  TestMatrix out(DType::kBF16, 2, 32);
  GetParam().run({codes.data(), DType::kF4, 32, scales.data(), out.out(), nullptr});
  EXPECT_EQ(out.at(0, 0), -24.0F);
  EXPECT_EQ(out.at(0, 1), 12.0F);
  for (std::int64_t col = 0; col < 32; ++col) EXPECT_TRUE(std::isnan(out.at(1, col)));
}

LOWP_EACH_IMPLEMENTATION(DequantizeMx, dequantize_mx_implementations());

}  // namespace
}  // namespace lowp::kernels
