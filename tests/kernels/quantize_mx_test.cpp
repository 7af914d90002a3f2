#include "kernels/quantize_mx/quantize_mx.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeMxArgs;

constexpr std::array kElements{DType::kF8E4M3, DType::kF8E5M2, DType::kF6E2M3, DType::kF6E3M2,
                               DType::kF4};
constexpr std::array kModes{MxScaleMode::kFloor, MxScaleMode::kCeil, MxScaleMode::kEven,
                            MxScaleMode::kRceil};

struct Options {
  DType element;
  MxScaleMode mode;
  std::int64_t block_size = 32;
};

struct Quantized {
  Output<std::uint8_t> codes;
  Output<std::uint8_t> scale;
};

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  const std::int64_t count = view.rows * view.cols;
  Quantized out{Output<std::uint8_t>(options.element == DType::kF4 ? count / 2 : count),
                Output<std::uint8_t>(count / options.block_size)};
  implementation.run({view, options.block_size, options.element, options.mode, out.codes.data(),
                      out.scale.data(), parallel});
  return out;
}

class QuantizeMx : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_mx_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
  }
};

TEST_P(QuantizeMx, EqualsReference) {
  for_each_matrix(13, 96, [&](const TestMatrix& x, const std::string& what) {
    for (const DType element : kElements) {
      for (const MxScaleMode mode : kModes) {
        for (const std::int64_t block_size : {2, 16, 32, 48}) {
          expect_reference(x, {element, mode, block_size}, what);
        }
      }
    }
  });
}

TEST_P(QuantizeMx, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 200, 1024);
  fill(x, Fill::kMixed, 7);
  for (const DType element : kElements) expect_reference(x, {element, MxScaleMode::kRceil}, "");
}

// amax 7 = 1.75 * 2^2. e4m3 holds 448 = 1.75 * 2^8: every mode but kCeil takes 2^(2 - 8). e2m1
// holds 6 = 1.5 * 2^2: kFloor takes 2^0 and saturates, kEven rounds 1.75 up to 2, kRceil and kCeil
// take 2^1.
TEST_P(QuantizeMx, ScaleModes) {
  TestMatrix x(DType::kF32, 1, 32);
  fill(x, Fill::kZero, 2);
  x.set(0, 9, 7.0F);
  const auto scale = [&](DType element, MxScaleMode mode) {
    return static_cast<int>(run(GetParam(), x, {element, mode}).scale[0]) - 127;
  };
  EXPECT_EQ(scale(DType::kF8E4M3, MxScaleMode::kFloor), -6);
  EXPECT_EQ(scale(DType::kF8E4M3, MxScaleMode::kCeil), -5);
  EXPECT_EQ(scale(DType::kF8E4M3, MxScaleMode::kEven), -6);
  EXPECT_EQ(scale(DType::kF8E4M3, MxScaleMode::kRceil), -6);
  EXPECT_EQ(scale(DType::kF4, MxScaleMode::kFloor), 0);
  EXPECT_EQ(scale(DType::kF4, MxScaleMode::kCeil), 1);
  EXPECT_EQ(scale(DType::kF4, MxScaleMode::kEven), 1);
  EXPECT_EQ(scale(DType::kF4, MxScaleMode::kRceil), 1);
  EXPECT_EQ(run(GetParam(), x, {DType::kF4, MxScaleMode::kFloor}).codes[4] >> 4, 7);
  EXPECT_EQ(run(GetParam(), x, {DType::kF4, MxScaleMode::kRceil}).codes[4] >> 4, 6);  // 3.5 to 4
}

TEST_P(QuantizeMx, SpecialBlocks) {
  TestMatrix x(DType::kF32, 1, 96);
  fill(x, Fill::kZero, 2);
  x.set(0, 40, 0x1p-149F);
  x.set(0, 70, -kInf);
  const Quantized got = run(GetParam(), x, {DType::kF8E4M3, MxScaleMode::kFloor});
  EXPECT_EQ(got.scale[0], 0);
  EXPECT_EQ(got.scale[1], 0);  // 2^-127: the element is far below it
  EXPECT_EQ(got.codes[40] & 0x7F, 0);
  EXPECT_EQ(got.scale[2], 255);
  EXPECT_EQ(got.codes[64], 0x7F);
}

LOWP_EACH_IMPLEMENTATION(QuantizeMx, quantize_mx_implementations());

}  // namespace
}  // namespace lowp::kernels
