// The two ways to a quantized weight, by the operators and by way of the host: the same bits.
#include "nn/operator_weight.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <string>

#include "schemes/distortion.h"

namespace lowp::nn {
namespace {

constexpr std::int64_t kRows = 160, kCols = 256;

torch::Tensor make_weight(torch::ScalarType dtype) {
  torch::manual_seed(0);
  torch::Tensor weight = torch::randn({kRows, kCols}) * torch::logspace(-3, 3, kRows).unsqueeze(1);
  weight[3].zero_();
  return weight.to(dtype);
}

kernels::Matrix matrix_of(const torch::Tensor& weight) {
  return {weight.const_data_ptr(), from_torch(weight.scalar_type()), kRows, kCols, kCols};
}

class OperatorWeight : public testing::TestWithParam<std::tuple<std::string, torch::ScalarType>> {
 protected:
  Scheme scheme = scheme_from_name(std::get<0>(GetParam()));
  torch::Tensor weight = make_weight(std::get<1>(GetParam()));
};

TEST_P(OperatorWeight, EqualsTheWayOfTheHost) {
  for (const std::optional<float> amax : {std::optional<float>(), std::optional(1234.5F)}) {
    QuantizeWeightOptions options;
    options.amax = amax;
    options.mx_scale_mode = MxScaleMode::kFloor;
    const QuantizedWeight by_host = quantize_weight(scheme, matrix_of(weight), nullptr, options);
    QuantizedState expected = make_state(by_host, {});
    QuantizedState got = quantize_by_operators(scheme, weight, options, {});
    for (std::size_t i = 0; i < got.tensors().size(); ++i) {
      const auto [name, tensor] = got.tensors()[i];
      const torch::Tensor& other = *expected.tensors()[i].second;
      ASSERT_EQ(tensor->defined(), other.defined()) << name;
      if (!other.defined()) continue;
      EXPECT_EQ(tensor->scalar_type(), other.scalar_type()) << name;
      ASSERT_EQ(tensor->sizes(), other.sizes()) << name;
      EXPECT_TRUE(tensor->view(torch::kUInt8).equal(other.view(torch::kUInt8))) << name;
    }
    EXPECT_EQ(byte_count(got), by_host.byte_count());
    EXPECT_EQ(got.scale_dtype, expected.scale_dtype);
    EXPECT_NEAR(sqnr_db(got, weight), distortion(by_host, matrix_of(weight)).sqnr_db(), 1e-4);
    for (const torch::ScalarType dtype : {torch::kFloat32, torch::kBFloat16}) {
      EXPECT_TRUE(dequantize_by_operators(got, dtype).equal(dequantize(expected, dtype)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Schemes, OperatorWeight,
    testing::Combine(testing::Values("W8A8", "W8A16", "W4A16", "W4A16_ASYM", "W4A16_FLOAT_ZERO",
                                     "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "FP8_WEIGHT_ONLY", "MXFP8",
                                     "MXFP8A16", "MXFP4", "NVFP4", "W4A8", "W4A8_ASYM", "W4AFP8"),
                     testing::Values(torch::kFloat32, torch::kFloat16, torch::kBFloat16)));

TEST(OperatorWeightNoise, IsOfTheFiniteValues) {
  const Scheme scheme = scheme_from_name("FP8_WEIGHT_ONLY");
  torch::Tensor weight = torch::zeros({2, 32});
  EXPECT_TRUE(std::isinf(sqnr_db(quantize_by_operators(scheme, weight, {}, {}), weight)));
  weight = torch::randn({2, 32});
  weight[0][3] = std::nanf("");
  const QuantizedWeight by_host =
      quantize_weight(scheme, {weight.const_data_ptr(), DType::kF32, 2, 32, 32}, nullptr, {});
  const double expected =
      distortion(by_host, {weight.const_data_ptr(), DType::kF32, 2, 32, 32}).sqnr_db();
  EXPECT_NEAR(sqnr_db(quantize_by_operators(scheme, weight, {}, {}), weight), expected, 1e-4);
}

}  // namespace
}  // namespace lowp::nn
