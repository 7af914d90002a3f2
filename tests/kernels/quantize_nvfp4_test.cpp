#include "kernels/quantize_nvfp4/quantize_nvfp4.h"

#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeNvfp4Args;

struct Options {
  Nvfp4Recipe recipe = Nvfp4Recipe::kInference;
  float block_scale_floor = 0x1p-6F;
  const float* static_tensor_scale = nullptr;
};

constexpr Options kTraining{Nvfp4Recipe::kTraining, 0.0F, nullptr};

struct Quantized {
  Output<std::uint8_t> codes;
  Output<std::uint8_t> block_scale;
  Output<float> tensor_scale;
};

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  const std::int64_t count = view.rows * view.cols;
  Quantized out{Output<std::uint8_t>(count / 2), Output<std::uint8_t>(count / 16),
                Output<float>(1)};
  implementation.run({view, options.recipe, options.block_scale_floor, options.static_tensor_scale,
                      out.codes.data(), out.block_scale.data(), out.tensor_scale.data(), parallel});
  return out;
}

class QuantizeNvfp4 : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_nvfp4_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.tensor_scale, expected.tensor_scale), -1) << what;
    EXPECT_EQ(first_difference(got.block_scale, expected.block_scale), -1) << what;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
  }
};

TEST_P(QuantizeNvfp4, EqualsReference) {
  for (const std::int64_t cols : {16, 32, 48, 64, 176}) {
    for_each_matrix(9, cols, [&](const TestMatrix& x, const std::string& what) {
      expect_reference(x, {}, what);
      expect_reference(x, kTraining, what);
      for (const float scale : {1.0F, 1e-3F, 0x1p-140F, 1e30F}) {
        expect_reference(x, {Nvfp4Recipe::kInference, 0x1p-9F, &scale}, what);
        expect_reference(x, {Nvfp4Recipe::kTraining, 0.0F, &scale}, what);
      }
    });
  }
}

TEST_P(QuantizeNvfp4, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 200, 1024);
  fill(x, Fill::kMixed, 7);
  expect_reference(x, {}, "inference");
  expect_reference(x, kTraining, "training");
}

// amax 2688 makes the tensor scale 1; the block of amax 12 has scale 2, e4m3 0x40.
TEST_P(QuantizeNvfp4, GoldenValues) {
  TestMatrix x(DType::kF32, 1, 32);
  fill(x, Fill::kZero, 2);
  x.set(0, 0, 2688.0F);
  x.set(0, 16, 12.0F);
  x.set(0, 17, -1.0F);
  x.set(0, 18, 5.0F);
  x.set(0, 19, 5.0F);
  for (const Options& options : {Options{}, kTraining}) {
    const Quantized got = run(GetParam(), x, options);
    EXPECT_EQ(got.tensor_scale[0], 1.0F);
    EXPECT_EQ(got.block_scale[0], 0x7E);
    EXPECT_EQ(got.block_scale[1], 0x40);
    EXPECT_EQ(got.codes[0] & 0x0F, 7);
    EXPECT_EQ(got.codes[8], 0x97);  // 6 and -0.5
    EXPECT_EQ(got.codes[9], 0x44);  // 2.5 goes to 2
  }
}

TEST_P(QuantizeNvfp4, ZeroTensor) {
  TestMatrix x(DType::kBF16, 2, 32);
  fill(x, Fill::kZero, 2);
  const Quantized got = run(GetParam(), x, {});
  EXPECT_EQ(got.tensor_scale[0], 1.0F);
  EXPECT_EQ(got.block_scale[0], 0x08);  // 2^-6
  for (std::int64_t i = 0; i < 32; ++i) EXPECT_EQ(got.codes[i] & 0x77, 0);
  EXPECT_EQ(run(GetParam(), x, kTraining).block_scale[0], 0);
}

TEST_P(QuantizeNvfp4, NanMakesADynamicTensorNan) {
  TestMatrix x(DType::kBF16, 2, 32);
  fill(x, Fill::kNormal, 2);
  x.set(1, 3, kNaN);
  const Quantized got = run(GetParam(), x, {});
  EXPECT_TRUE(std::isnan(got.tensor_scale[0]));
  EXPECT_EQ(got.block_scale[0] & 0x7F, 0x7F);
  const float one = 1.0F;
  const Quantized with_static = run(GetParam(), x, {Nvfp4Recipe::kInference, 0x1p-6F, &one});
  EXPECT_NE(with_static.block_scale[0] & 0x7F, 0x7F);
  EXPECT_EQ(with_static.block_scale[2] & 0x7F, 0x7F);
}

LOWP_EACH_IMPLEMENTATION(QuantizeNvfp4, quantize_nvfp4_implementations());

}  // namespace
}  // namespace lowp::kernels
