#include "kernels/quantize_fp8/quantize_fp8.h"

#include "formats/e4m3.h"
#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeFp8Args;

struct Options {
  Block block;
  DType element = DType::kF8E4M3;
  DType scale_dtype = DType::kF32;
  const std::vector<float>* static_scale = nullptr;
  bool power_of_two = false;
};

struct Quantized {
  Output<std::uint8_t> codes;
  Output<float> scale;
};

std::int64_t block_count(const Matrix& x, Block block) {
  return ((x.rows + block.rows - 1) / block.rows) * ((x.cols + block.cols - 1) / block.cols);
}

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  Quantized out{Output<std::uint8_t>(view.rows * view.cols),
                Output<float>(block_count(view, options.block))};
  implementation.run({view, options.block, options.element, options.scale_dtype,
                      options.power_of_two,
                      options.static_scale == nullptr ? nullptr : options.static_scale->data(),
                      out.codes.data(), out.scale.data(), parallel});
  return out;
}

class QuantizeFp8 : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_fp8_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
  }
};

TEST_P(QuantizeFp8, RowsAndGroupsEqualReference) {
  for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
    for (const std::int64_t cols : {1, 15, 16, 17, 31, 32, 33, 100, 576}) {
      for_each_matrix(5, cols, [&](const TestMatrix& x, const std::string& what) {
        for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
          expect_reference(x, {{1, cols}, element, scale_dtype}, what);
          expect_reference(x, {{1, 32}, element, scale_dtype}, what);
        }
      });
    }
  }
}

TEST_P(QuantizeFp8, TensorAndCutBlocksEqualReference) {
  for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
    for_each_matrix(150, 300, [&](const TestMatrix& x, const std::string& what) {
      expect_reference(x, {{150, 300}, element}, what);
      expect_reference(x, {{128, 128}, element}, what);
      expect_reference(x, {{1, 128}, element}, what);
    });
  }
}

TEST_P(QuantizeFp8, StaticScalesEqualReference) {
  for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
    const std::vector<float> scales = special_scales(40);
    for_each_matrix(40, 100, [&](const TestMatrix& x, const std::string& what) {
      expect_reference(x, {{1, 100}, element, DType::kF32, &scales}, what);
      expect_reference(x, {{40, 100}, element, DType::kF32, &scales}, what);
    });
  }
}

TEST_P(QuantizeFp8, PowersOfTwoEqualReference) {
  for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
    for_each_matrix(40, 100, [&](const TestMatrix& x, const std::string& what) {
      for (const Block block : {Block{1, 100}, Block{40, 100}, Block{1, 32}}) {
        expect_reference(x, {block, element, DType::kF32, nullptr, true}, what);
      }
    });
  }
}

// What training multiplies by is rounded down: 448 / 1.5 = 298.67 becomes 256, and 448 / 1e-12 of a
// row of zeros 2^48. What is stored divides by it.
TEST_P(QuantizeFp8, PowersOfTwo) {
  TestMatrix x(DType::kF32, 3, 40);
  fill(x, Fill::kZero, 2);
  x.set(0, 5, -1.5F);
  x.set(0, 6, 1.0F);
  x.set(1, 7, 448.0F);
  const Quantized got = run(GetParam(), x, {{1, 40}, DType::kF8E4M3, DType::kF32, nullptr, true});
  EXPECT_EQ(got.scale[0], 0x1p-8F);
  EXPECT_EQ(got.scale[1], 1.0F);
  EXPECT_EQ(got.scale[2], 0x1p-48F);
  EXPECT_EQ(got.codes[5], 0x80 | E4m3::from_float(384.0F));
  EXPECT_EQ(got.codes[6], E4m3::from_float(256.0F));
  EXPECT_EQ(got.codes[47], 0x7E);
}

// Every bf16 and fp16 number, with a scale of 1: as many as 2^16 different roundings.
TEST_P(QuantizeFp8, EverySixteenBitNumberEqualsReference) {
  const std::vector<float> one{1.0F};
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    TestMatrix x(dtype, 256, 256);
    auto* codes = static_cast<std::uint16_t*>(x.out().data);
    for (std::uint32_t code = 0; code < 0x10000; ++code)
      codes[code] = static_cast<std::uint16_t>(code);
    for (const DType element : {DType::kF8E4M3, DType::kF8E5M2}) {
      expect_reference(x, {{256, 256}, element, DType::kF32, &one}, std::string(name(dtype)));
    }
  }
}

TEST_P(QuantizeFp8, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 300, 1024);
  fill(x, Fill::kNormal, 7);
  for (const Block block : {Block{1, 1024}, Block{300, 1024}, Block{128, 128}, Block{1, 128}}) {
    expect_reference(x, {block}, "block");
  }
}

// amax = 448 makes the scale 1: 0x7E is 448, 0x38 is 1, ties between 1 and 1.125 go to even.
TEST_P(QuantizeFp8, GoldenE4m3) {
  TestMatrix x(DType::kF32, 1, 40);
  fill(x, Fill::kZero, 2);
  const std::vector<float> values{448.0F,  -448.0F, 1.0F,     1.0625F,
                                  1.1875F, 0x1p-9F, 0x1p-10F, 0x1.8p-9F};
  for (std::size_t i = 0; i < values.size(); ++i) x.set(0, static_cast<std::int64_t>(i), values[i]);
  const Quantized got = run(GetParam(), x, {{1, 40}});
  EXPECT_EQ(got.scale[0], 1.0F);
  const std::vector<int> expected{0x7E, 0xFE, 0x38, 0x38, 0x3A, 0x01, 0x00, 0x02};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(got.codes[static_cast<std::int64_t>(i)], expected[i]) << values[i];
  }
}

TEST_P(QuantizeFp8, ZeroBlockGetsScaleOne) {
  TestMatrix x(DType::kBF16, 2, 40);
  fill(x, Fill::kZero, 2);
  x.set(1, 3, 57344.0F);
  const Quantized got = run(GetParam(), x, {{1, 40}, DType::kF8E5M2});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.scale[1], 1.0F);
  EXPECT_EQ(got.codes[43], 0x7B);
  for (std::int64_t col = 0; col < 40; ++col) EXPECT_EQ(got.codes[col] & 0x7F, 0);
}

// Edge blocks have scales of what they hold.
TEST_P(QuantizeFp8, CutBlocksHaveTheirOwnScale) {
  TestMatrix x(DType::kF32, 130, 130);
  for (std::int64_t row = 0; row < 130; ++row) {
    for (std::int64_t col = 0; col < 130; ++col) {
      x.set(row, col, 448.0F * static_cast<float>(1 + (row >= 128) + 2 * (col >= 128)));
    }
  }
  const Quantized got = run(GetParam(), x, {{128, 128}});
  for (int block = 0; block < 4; ++block) {
    EXPECT_EQ(got.scale[block], static_cast<float>(1 + block / 2 + 2 * (block % 2)));
  }
}

TEST_P(QuantizeFp8, NanMakesItsBlockNan) {
  TestMatrix x(DType::kBF16, 2, 40);
  fill(x, Fill::kNormal, 3);
  x.set(0, 7, kNaN);
  const Quantized got = run(GetParam(), x, {{1, 40}});
  EXPECT_TRUE(std::isnan(got.scale[0]));
  EXPECT_TRUE(std::isfinite(got.scale[1]));
  for (std::int64_t col = 0; col < 40; ++col) EXPECT_EQ(got.codes[col] & 0x7F, 0x7F);
}

LOWP_EACH_IMPLEMENTATION(QuantizeFp8, quantize_fp8_implementations());

}  // namespace
}  // namespace lowp::kernels
