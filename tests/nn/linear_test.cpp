#include "lowp/nn/linear.h"

#include <gmock/gmock.h>
#include <torch/nn/functional/linear.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/serialize.h>

#include <sstream>

#include "lowp/error.h"
#include "lowp/quantize.h"
#include "schemes/quantized_weight.h"

namespace lowp::nn {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kN = 48;
constexpr std::int64_t kK = 64;

// Each of the schemes, with a group that fits.
const std::vector<std::string> kSchemes{
    "W8A8",      "W8A16",           "W4A16",      "W4A16_ASYM", "FP8",        "FP8_DYNAMIC",
    "FP8_BLOCK", "FP8_WEIGHT_ONLY", "MXFP8",      "MXFP4",      "NVFP4",      "W4A16_FLOAT_ZERO",
    "W4A8",      "W4A8_ASYM",       "W4AFP8",     "W3A16",      "W2A16_ASYM", "W5A8_ASYM",
    "W6A16",     "MXFP6",           "MXFP6_E3M2", "MXFP8A16"};

Config config_of(const std::string& scheme) {
  return config_from_scheme(scheme, scheme[0] == 'W' && scheme[1] < '8' ? 32 : 0);
}

// A root with one quantized layer, named "0".
torch::nn::Sequential quantized(const std::string& scheme, bool bias = true) {
  torch::manual_seed(1);
  torch::nn::Sequential model(Linear(torch::nn::LinearOptions(kK, kN).bias(bias)));
  quantize_(model, config_of(scheme));
  return model;
}

LinearImpl& layer(const torch::nn::Sequential& model) {
  return *model->children()[0]->as<LinearImpl>();
}

torch::Tensor input() {
  torch::manual_seed(2);
  return torch::randn({2, 3, kK});
}

double relative_error(const torch::Tensor& got, const torch::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

TEST(Linear, UnquantizedIsTorchs) {
  torch::manual_seed(1);
  Linear linear(kK, kN);
  torch::manual_seed(1);
  torch::nn::Linear expected(kK, kN);
  const torch::Tensor x = input().requires_grad_();
  const torch::Tensor y = linear(x);
  EXPECT_TRUE(torch::equal(y, expected(x)));
  y.sum().backward();
  expected(x.detach()).sum().backward();
  EXPECT_TRUE(torch::equal(linear->weight.grad(), expected->weight.grad()));
  EXPECT_TRUE(torch::equal(linear->bias.grad(), expected->bias.grad()));
  EXPECT_TRUE(linear->buffers().empty());
}

// Rows for lowp's kernel on every machine, and more, of which some leave it to at::linear.
TEST(Linear, UnquantizedBfloat16IsRoundedOnce) {
  torch::NoGradGuard no_grad;
  Linear linear(kK, kN);
  linear->to(torch::kBFloat16);
  for (const torch::Tensor& rows : {input()[0], input(), input().repeat({20, 1, 1})}) {
    const torch::Tensor x = rows.to(torch::kBFloat16);
    const torch::Tensor exact =
        torch::nn::functional::linear(x.to(torch::kFloat64), linear->weight.to(torch::kFloat64),
                                      linear->bias.to(torch::kFloat64));
    const torch::Tensor y = linear(x);
    EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
    EXPECT_EQ(y.sizes(), exact.sizes());
    EXPECT_LE(relative_error(y.to(torch::kFloat64), exact), 1.0 / 256);
  }
}

class QuantizedLinear : public ::testing::TestWithParam<std::string> {};

TEST_P(QuantizedLinear, IsTheProductWithTheDequantizedWeight) {
  torch::NoGradGuard no_grad;
  auto model = quantized(GetParam());
  LinearImpl& linear = layer(model);
  EXPECT_EQ(linear.scheme(), GetParam());
  EXPECT_FALSE(linear.weight.defined());
  const torch::Tensor x = input();
  const torch::Tensor y = linear.forward(x);
  EXPECT_EQ(y.sizes(), torch::IntArrayRef({2, 3, kN}));
  const torch::Tensor expected =
      torch::nn::functional::linear(x, linear.dequantized_weight(), linear.bias);
  // Weight-only: fp32 sums in another order. int8 activations: half a step of 1/127.5; e4m3: 2^-4.
  const bool weight_only = GetParam().find("A16") != std::string::npos ||
                           GetParam().ends_with("FP4") || GetParam() == "FP8_WEIGHT_ONLY";
  EXPECT_LE(relative_error(y, expected), weight_only ? 2e-6 : 4e-2);
}

TEST_P(QuantizedLinear, SavesAndLoads) {
  torch::NoGradGuard no_grad;
  auto model = quantized(GetParam());
  std::stringstream stream;
  torch::save(model, stream);
  torch::nn::Sequential loaded(Linear(kK, kN));
  torch::load(loaded, stream);
  EXPECT_EQ(layer(loaded).scheme(), GetParam());
  EXPECT_TRUE(torch::equal(layer(loaded).forward(input()), layer(model).forward(input())));
  EXPECT_TRUE(torch::equal(layer(loaded).dequantized_weight(), layer(model).dequantized_weight()));
}

TEST_P(QuantizedLinear, ClonesDeeply) {
  torch::NoGradGuard no_grad;
  auto model = quantized(GetParam());
  const auto copy = std::dynamic_pointer_cast<LinearImpl>(layer(model).clone());
  const torch::Tensor expected = layer(model).forward(input());
  EXPECT_TRUE(torch::equal(copy->forward(input()), expected));
  for (auto& buffer : layer(model).buffers()) buffer.view(torch::kUInt8).zero_();
  EXPECT_TRUE(torch::equal(copy->forward(input()), expected));
}

TEST_P(QuantizedLinear, KeepsItsCodesWhenTheDtypeChanges) {
  torch::NoGradGuard no_grad;
  auto model = quantized(GetParam());
  const torch::Tensor before = layer(model).forward(input());
  model->to(torch::kBFloat16);
  EXPECT_EQ(layer(model).bias.scalar_type(), torch::kBFloat16);
  const torch::Tensor after = layer(model).forward(input().to(torch::kBFloat16));
  EXPECT_EQ(after.scalar_type(), torch::kBFloat16);
  EXPECT_LE(relative_error(after.to(torch::kFloat32), before), 6e-2);
}

TEST_P(QuantizedLinear, GivesItsWeightBack) {
  auto model = quantized(GetParam());
  LinearImpl& linear = layer(model);
  const torch::Tensor plain = linear.dequantized_weight();
  linear.dequantize();
  EXPECT_FALSE(linear.is_quantized());
  EXPECT_TRUE(torch::equal(linear.weight, plain));
  EXPECT_EQ(linear.named_parameters().keys(), (std::vector<std::string>{"weight", "bias"}));
  // Again, under another scheme than before.
  quantize_(model, config_of(GetParam() == "W8A16" ? "MXFP4" : "W8A16"));
  EXPECT_TRUE(linear.is_quantized());
  const auto copy = linear.clone();
  EXPECT_TRUE(torch::equal(copy->as<LinearImpl>()->forward(input()), linear.forward(input())));
}

TEST_P(QuantizedLinear, BackwardIsThatOfTheDequantizedWeight) {
  auto model = quantized(GetParam());
  LinearImpl& linear = layer(model);
  const torch::Tensor x = input().requires_grad_();
  const torch::Tensor dy = torch::randn({2, 3, kN});
  linear.forward(x).backward(dy);
  EXPECT_LE(relative_error(x.grad(), dy.matmul(linear.dequantized_weight())), 1e-6);
  EXPECT_LE(relative_error(linear.bias.grad(), dy.sum(torch::IntArrayRef({0, 1}))), 1e-6);
}

TEST_P(QuantizedLinear, PrintsItsScheme) {
  std::ostringstream stream;
  stream << layer(quantized(GetParam()));
  EXPECT_THAT(stream.str(), HasSubstr("in_features=64, out_features=48"));
  EXPECT_THAT(stream.str(), HasSubstr("scheme=" + GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Schemes, QuantizedLinear, ::testing::ValuesIn(kSchemes),
                         [](const auto& info) { return info.param; });

class PackedLinear : public testing::TestWithParam<std::string> {};

TEST_P(PackedLinear, IsTheSameLayer) {
  const auto plain = quantized(GetParam()), model = quantized(GetParam());
  ASSERT_TRUE(layer(model).pack());
  ASSERT_TRUE(layer(model).is_packed());
  EXPECT_EQ(layer(model).named_buffers()["weight_codes"].dim(), 4);
  const torch::NoGradGuard no_grad;
  const torch::Tensor many = input().to(torch::kBFloat16).repeat({3, 1, 1});
  EXPECT_TRUE(torch::equal(layer(model).forward(many), layer(plain).forward(many)));
  const torch::Tensor few = input()[0];
  EXPECT_LT(relative_error(layer(model).forward(few), layer(plain).forward(few)), 1e-5);
  EXPECT_EQ(layer(model).quantized_weight().codes, layer(plain).quantized_weight().codes);
  EXPECT_TRUE(torch::equal(layer(model).dequantized_weight(), layer(plain).dequantized_weight()));

  std::stringstream stream;
  torch::save(model, stream);
  auto loaded = quantized(GetParam());
  torch::load(loaded, stream);
  EXPECT_FALSE(layer(loaded).is_packed());
  EXPECT_TRUE(torch::equal(layer(loaded).dequantized_weight(), layer(plain).dequantized_weight()));
  const auto clone = std::dynamic_pointer_cast<LinearImpl>(layer(model).clone());
  EXPECT_TRUE(clone->is_packed());
  EXPECT_TRUE(torch::equal(clone->forward(many), layer(plain).forward(many)));

  layer(model).unpack();
  for (const auto& buffer : layer(plain).named_buffers()) {
    EXPECT_TRUE(torch::equal(layer(model).named_buffers()[buffer.key()].view(torch::kUInt8),
                             buffer.value().view(torch::kUInt8)));
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, PackedLinear, testing::Values("NVFP4", "MXFP4"),
                         [](const auto& info) { return info.param; });

TEST(PackedLinears, OthersStayPlain) {
  EXPECT_FALSE(layer(quantized("W8A16")).pack());
  torch::nn::Sequential ragged(Linear(64, 12));
  EXPECT_FALSE(layer(ragged).pack());
  quantize_(ragged, config_of("MXFP4"));
  EXPECT_FALSE(layer(ragged).pack());
  EXPECT_FALSE(layer(ragged).is_packed());
}

TEST(QuantizedLinear, WorksWithoutBiasAndOnEmptyInput) {
  torch::NoGradGuard no_grad;
  auto model = quantized("W8A16", /*bias=*/false);
  EXPECT_EQ(layer(model).forward(torch::empty({0, kK})).sizes(), torch::IntArrayRef({0, kN}));
  EXPECT_EQ(layer(model).forward(input()[0][0]).sizes(), torch::IntArrayRef({kN}));
}

TEST(QuantizedLinear, HasGradientsWithoutBias) {
  auto model = quantized("W8A16", /*bias=*/false);
  const torch::Tensor x = input().requires_grad_();
  const torch::Tensor dy = torch::randn({2, 3, kN});
  layer(model).forward(x).backward(dy);
  EXPECT_LE(relative_error(x.grad(), dy.matmul(layer(model).dequantized_weight())), 1e-6);
}

TEST(QuantizedLinear, LoadsAPlainWeightOverAQuantizedOne) {
  torch::NoGradGuard no_grad;
  torch::nn::Sequential plain(Linear(kK, kN));
  std::stringstream stream;
  torch::save(plain, stream);
  auto model = quantized("NVFP4");
  torch::load(model, stream);
  EXPECT_TRUE(torch::equal(layer(model).weight, layer(plain).weight));
}

TEST(QuantizedLinear, RefusesWhatDoesNotFit) {
  auto model = quantized("W8A16");
  LinearImpl& linear = layer(model);
  const QuantizedWeight weight = linear.quantized_weight();
  Linear other(kK, kN + 1);
  EXPECT_THAT([&] { other->set_quantized_weight(weight); },
              ::testing::ThrowsMessage<Error>(HasSubstr("got (48, 64), expected (49, 64)")));
  EXPECT_THROW(linear.reset_parameters(), Error);
  EXPECT_THROW(other->dequantize(), Error);
  EXPECT_THAT(
      [&] {
        linear.forward(torch::randn({3, kK + 1}));
      },
      ::testing::ThrowsMessage<std::exception>(HasSubstr("[lowp::linear_w8a16]")));
}

}  // namespace
}  // namespace lowp::nn
