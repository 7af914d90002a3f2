#include "kernels/quantize_int8/quantize_int8.h"

#include "formats/affine.h"
#include "quantize_testing.h"

namespace lowp::kernels {
namespace {

using Args = QuantizeInt8Args;

struct Options {
  Block block;
  Mapping mapping = Mapping::kSymmetric;
  DType scale_dtype = DType::kF32;
  float epsilon = 0x1p-23F;
  const float* column_scale = nullptr;
  const float* static_scale = nullptr;
  const std::int8_t* static_zero_point = nullptr;
};

struct Quantized {
  Output<std::int8_t> codes;
  Output<float> scale;
  Output<std::int8_t> zero_point;
};

Quantized run(const Implementation<Args>& implementation, const TestMatrix& x,
              const Options& options, const ParallelFor* parallel = nullptr) {
  const Matrix view = x.view();
  const Block block = options.block;
  const std::int64_t blocks = (view.rows / block.rows) * (view.cols / block.cols);
  Quantized out{Output<std::int8_t>(view.rows * view.cols), Output<float>(blocks),
                Output<std::int8_t>(blocks)};
  implementation.run(
      {view, block, options.mapping, options.scale_dtype, options.epsilon, out.codes.data(),
       out.scale.data(), options.mapping == Mapping::kAsymmetric ? out.zero_point.data() : nullptr,
       parallel, options.column_scale, options.static_scale, options.static_zero_point});
  return out;
}

class QuantizeInt8 : public EachImplementation<Args> {
 protected:
  void expect_reference(const TestMatrix& x, const Options& options, const std::string& what) {
    const Quantized expected = run(quantize_int8_implementations().back(), x, options);
    const Quantized got = run(GetParam(), x, options, three_threads());
    EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what;
    EXPECT_EQ(first_difference(got.zero_point, expected.zero_point), -1) << what;
    EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
  }
};

TEST_P(QuantizeInt8, RowsEqualReference) {
  for (const std::int64_t cols : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 576, 1000}) {
    for_each_matrix(5, cols, [&](const TestMatrix& x, const std::string& what) {
      for (const Mapping mapping :
           {Mapping::kSymmetric, Mapping::kSymmetricNoClippingError, Mapping::kAsymmetric}) {
        expect_reference(x, {{1, cols}, mapping}, what);
      }
    });
  }
}

TEST_P(QuantizeInt8, GroupsEqualReference) {
  for (const std::int64_t group : {1, 8, 16, 32, 48, 128}) {
    for_each_matrix(7, 3 * group, [&](const TestMatrix& x, const std::string& what) {
      for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        expect_reference(x, {{1, group}, Mapping::kSymmetric, scale_dtype}, what);
        expect_reference(x, {{1, group}, Mapping::kAsymmetric, scale_dtype}, what);
      }
    });
  }
}

TEST_P(QuantizeInt8, TensorAndBlocksEqualReference) {
  for_each_matrix(96, 200, [&](const TestMatrix& x, const std::string& what) {
    expect_reference(x, {{96, 200}}, what);
    expect_reference(x, {{96, 200}, Mapping::kAsymmetric}, what);
    expect_reference(x, {{32, 100}}, what);
  });
}

// A scale may be so small that it has no reciprocal: the products are Inf or NaN.
TEST_P(QuantizeInt8, ScalesWithoutAReciprocalEqualReference) {
  for (const float epsilon : {0.0F, 0x1p-149F, 0x1p-127F, 1e-12F, 1e30F}) {
    for_each_matrix(3, 100, [&](const TestMatrix& x, const std::string& what) {
      for (const DType scale_dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        expect_reference(x, {{1, 100}, Mapping::kSymmetric, scale_dtype, epsilon}, what);
      }
    });
  }
}

// The product with the factors, rounded to fp32, is what is quantized.
TEST_P(QuantizeInt8, ColumnScaleIsAProductBefore) {
  for (const std::int64_t cols : {1, 15, 33, 64, 200}) {
    std::vector<float> factors = special_scales(static_cast<std::size_t>(cols));
    for (const bool ordinary : {true, false}) {
      for (float& factor : factors) {
        if (ordinary && !(factor > 0 && factor < 100)) factor = 0.25F;
      }
      if (!ordinary) factors = special_scales(factors.size());
      for_each_matrix(6, cols, [&](const TestMatrix& x, const std::string& what) {
        TestMatrix product(DType::kF32, 6, cols);
        for (std::int64_t i = 0; i < 6 * cols; ++i) {
          const std::int64_t col = i % cols;
          product.set(i / cols, col, x.at(i / cols, col) * factors[static_cast<std::size_t>(col)]);
        }
        for (const Block block : {Block{1, cols}, Block{6, cols}}) {
          for (const Mapping mapping : {Mapping::kSymmetric, Mapping::kAsymmetric}) {
            Options options{block, mapping};
            const Quantized expected =
                run(quantize_int8_implementations().back(), product, options);
            options.column_scale = factors.data();
            const Quantized got = run(GetParam(), x, options, three_threads());
            EXPECT_EQ(first_difference(got.scale, expected.scale), -1) << what;
            EXPECT_EQ(first_difference(got.zero_point, expected.zero_point), -1) << what;
            EXPECT_EQ(first_difference(got.codes, expected.codes), -1) << what;
          }
        }
      });
    }
  }
}

// Whatever x holds: codes of the given scale, saturated, in every row.
TEST_P(QuantizeInt8, StaticScaleIsKept) {
  const float scale = 0.03F;
  const std::int8_t zero_point = -17;
  for (const bool asymmetric : {false, true}) {
    for_each_matrix(5, 77, [&](const TestMatrix& x, const std::string& what) {
      Options options{{1, 77}, asymmetric ? Mapping::kAsymmetric : Mapping::kSymmetric};
      options.static_scale = &scale;
      if (asymmetric) options.static_zero_point = &zero_point;
      const Quantized got = run(GetParam(), x, options, three_threads());
      const int zero = asymmetric ? zero_point : 0;
      for (std::int64_t row = 0; row < 5; ++row) {
        EXPECT_EQ(got.scale[row], scale);
        if (asymmetric) {
          EXPECT_EQ(got.zero_point[row], zero_point);
        }
        for (std::int64_t col = 0; col < 77; ++col) {
          const int code = affine_quantize(x.at(row, col), affine_reciprocal(scale), zero, kInt8);
          ASSERT_EQ(got.codes[row * 77 + col], code) << what << " " << x.at(row, col);
        }
      }
    });
  }
}

// Large enough that the rows are divided among threads.
TEST_P(QuantizeInt8, ThreadsDoNotChangeTheResult) {
  TestMatrix x(DType::kBF16, 128, 1024);
  fill(x, Fill::kNormal, 7);
  expect_reference(x, {{1, 1024}}, "rows");
  expect_reference(x, {{1, 32}}, "groups");
  expect_reference(x, {{128, 1024}}, "tensor");
}

// amax = 127.5 makes the scale exactly 1: ties go to even, and +127.5 is clamped.
TEST_P(QuantizeInt8, TiesGoToEvenAndTheRangeIsClamped) {
  TestMatrix x(DType::kF32, 1, 40);
  for (std::int64_t col = 0; col < 40; ++col) x.set(0, col, 0.0F);
  x.set(0, 3, -127.5F);
  x.set(0, 4, 0.5F);
  x.set(0, 5, 1.5F);
  x.set(0, 6, -2.5F);
  x.set(0, 38, 127.5F);
  const Quantized got = run(GetParam(), x, {{1, 40}});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.codes[3], -128);
  EXPECT_EQ(got.codes[4], 0);
  EXPECT_EQ(got.codes[5], 2);
  EXPECT_EQ(got.codes[6], -2);
  EXPECT_EQ(got.codes[38], 127);
}

// [0, 255] fits 255 steps of 1: the zero point is the lowest code.
TEST_P(QuantizeInt8, AsymmetricShiftsTheRange) {
  TestMatrix x(DType::kF32, 1, 20);
  for (std::int64_t col = 0; col < 20; ++col) x.set(0, col, static_cast<float>(col));
  x.set(0, 19, 255.0F);
  const Quantized got = run(GetParam(), x, {{1, 20}, Mapping::kAsymmetric});
  EXPECT_EQ(got.scale[0], 1.0F);
  EXPECT_EQ(got.zero_point[0], -128);
  EXPECT_EQ(got.codes[0], -128);
  EXPECT_EQ(got.codes[7], -121);
  EXPECT_EQ(got.codes[19], 127);
}

// bf16: 127.5 * 1.01 = 128.775 rounds to 129, /127.5 = 1.01176... rounds to 1.015625.
TEST_P(QuantizeInt8, ScaleArithmeticIsRoundedToItsType) {
  TestMatrix x(DType::kBF16, 1, 32);
  for (std::int64_t col = 0; col < 32; ++col) x.set(0, col, 129.0F);
  EXPECT_EQ(run(GetParam(), x, {{1, 32}, Mapping::kSymmetric, DType::kBF16}).scale[0], 1.015625F);
  EXPECT_EQ(run(GetParam(), x, {{1, 32}}).scale[0], 129.0F / 127.5F);
}

TEST_P(QuantizeInt8, ZeroRowGetsTheSmallestScale) {
  TestMatrix x(DType::kF16, 1, 40);
  fill(x, Fill::kZero, 1);
  const Quantized got = run(GetParam(), x, {{1, 40}});
  EXPECT_EQ(got.scale[0], 0x1p-23F);
  for (std::int64_t col = 0; col < 40; ++col) EXPECT_EQ(got.codes[col], 0);
}

TEST_P(QuantizeInt8, NanAndInfinityStayInTheirRow) {
  for (const float bad : {kNaN, -kInf}) {
    TestMatrix x(DType::kBF16, 2, 40);
    for (std::int64_t i = 0; i < 80; ++i) x.set(i / 40, i % 40, 1.0F);
    x.set(0, 7, bad);
    const Quantized got = run(GetParam(), x, {{1, 40}});
    EXPECT_FALSE(std::isfinite(got.scale[0]));
    for (std::int64_t col = 0; col < 40; ++col) EXPECT_EQ(got.codes[col], 0);
    EXPECT_EQ(got.scale[1], 1.0F / 127.5F);
    EXPECT_EQ(got.codes[40], 127);
  }
}

TEST_P(QuantizeInt8, EmptyMatrixWritesNothing) {
  const Quantized got = run(GetParam(), TestMatrix(DType::kF32, 0, 64), {{1, 64}});
  EXPECT_EQ(first_difference(got.codes, Output<std::int8_t>(0)), -1);
}

LOWP_EACH_IMPLEMENTATION(QuantizeInt8, quantize_int8_implementations());

}  // namespace
}  // namespace lowp::kernels
