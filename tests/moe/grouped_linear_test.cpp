#include "lowp/nn/grouped_linear.h"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <sstream>

#include "lowp/error.h"
#include "lowp/quantize.h"

namespace lowp {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using torch::Tensor;

const std::vector<Config> kConfigs{
    Int8DynamicActivationInt8WeightConfig{.act_mapping_type = MappingType::kAsymmetric},
    Int8WeightOnlyConfig{},
    Int4WeightOnlyConfig{.group_size = 32},
    Int8DynamicActivationInt4WeightConfig{},
    Float8DynamicActivationFloat8WeightConfig{.granularity = PerBlock{}},
    Float8WeightOnlyConfig{},
    MXDynamicActivationMXWeightConfig{},
    MXFP8WeightOnlyConfig{},
    MXFP4WeightOnlyConfig{},
    MXFP6WeightOnlyConfig{.element = MXFP6Element::kE3M2},
    NVFP4WeightOnlyConfig{}};

struct Experts {
  Tensor weight = (torch::manual_seed(0), torch::randn({3, 40, 64}));
  Tensor bias = torch::randn({3, 40});
  Tensor x = torch::randn({9, 64});
  Tensor offsets = torch::tensor({2, 2, 7}, torch::kInt32);
};

// The rows of each expert through an nn::Linear of its own.
Tensor expert_by_expert(const Experts& experts, const Config& config) {
  Tensor out = torch::zeros({9, 40});
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto end = experts.offsets[i].item<std::int64_t>();
    nn::Linear linear(experts.weight[i].clone(), experts.bias[i].clone());
    torch::nn::Module& module = *linear;
    quantize_(module, config);
    if (end > begin) out.slice(0, begin, end) = linear(experts.x.slice(0, begin, end));
    begin = end;
  }
  return out;
}

TEST(GroupedLinear, IsEachExpertByItself) {
  torch::NoGradGuard no_grad;
  const Experts experts;
  for (const Config& config : kConfigs) {
    nn::GroupedLinear grouped(experts.weight, config, experts.bias);
    EXPECT_TRUE(
        torch::equal(grouped(experts.x, experts.offsets), expert_by_expert(experts, config)))
        << grouped->scheme();
    const Tensor error = grouped->dequantized_weight() - experts.weight;
    EXPECT_LT(error.norm().item<float>(), 0.2F * experts.weight.norm().item<float>());
  }
}

TEST(GroupedLinear, KeepsItsScalesWhenTheDtypeChanges) {
  torch::NoGradGuard no_grad;
  const Experts experts;
  nn::GroupedLinear grouped(experts.weight, Int8WeightOnlyConfig{}, experts.bias);
  const Tensor before = grouped(experts.x, experts.offsets);
  grouped->to(torch::kFloat64);
  EXPECT_TRUE(torch::equal(grouped->named_buffers()["weight_scale"].to(torch::kFloat32),
                           grouped->named_buffers()["weight_scale"]));
  grouped->to(torch::kFloat32);
  EXPECT_TRUE(torch::equal(grouped(experts.x, experts.offsets), before));
  std::ostringstream text;
  grouped->pretty_print(text);
  EXPECT_THAT(text.str(), HasSubstr("experts=3, in_features=64, out_features=40, bias=true"));
}

struct MoeImpl : torch::nn::Module {
  explicit MoeImpl(const Experts& of) {
    router = register_module("router", nn::Linear(64, 3));
    experts = register_module("experts", nn::GroupedLinear(of.weight.clone(), of.bias.clone()));
  }
  nn::Linear router{nullptr};
  nn::GroupedLinear experts{nullptr};
};
TORCH_MODULE(Moe);

TEST(GroupedLinear, QuantizeTakesIt) {
  torch::NoGradGuard no_grad;
  const Experts experts;
  Moe model(experts);
  const Tensor expected = model->experts(experts.x, experts.offsets);
  EXPECT_EQ(expected.slice(0, 7).count_nonzero().item<int>(), 0);
  const Report report = quantize_(model, Int4WeightOnlyConfig{.group_size = 32});
  ASSERT_EQ(report.layers.size(), 2U);
  EXPECT_EQ(report.layers[1].name, "experts");
  EXPECT_EQ(report.layers[1].experts, 3);
  EXPECT_EQ(report.layers[1].scheme, "W4A16_FLOAT_ZERO");
  EXPECT_DOUBLE_EQ(report.layers[1].bits_per_weight, 6.0);  // a scale and a zero of 32 bits for 32
  EXPECT_NEAR(report.layers[1].sqnr_db, report.layers[0].sqnr_db, 4);
  EXPECT_THAT(report.to_json(), HasSubstr("\"experts\":3"));
  const Tensor got = model->experts(experts.x, experts.offsets);
  EXPECT_LT((got - expected).norm().item<float>(), 0.2F * expected.norm().item<float>());
  EXPECT_EQ(quantize_(model, Int8WeightOnlyConfig{}).layers[1].skipped,
            "it is quantized already: W4A16_FLOAT_ZERO");
}

TEST(GroupedLinear, FiltersAndSmoothQuantLeaveItAlone) {
  const Experts experts;
  Moe model(experts);
  const auto only_router = [](const torch::nn::Module& layer, const std::string&) {
    return layer.as<nn::LinearImpl>() != nullptr;
  };
  EXPECT_EQ(quantize_(model, Config(Int8WeightOnlyConfig{}), only_router).layers[1].skipped,
            "the filter leaves it out");
  const std::function<void()> nothing = [] {};
  EXPECT_EQ(quantize_(model, SmoothQuantConfig{}, nothing).layers[1].skipped,
            "SmoothQuant has no grouped form");
  EXPECT_EQ(
      quantize_(model, Float8DynamicActivationInt4WeightConfig{.group_size = 32}).layers[1].skipped,
      "scheme W4AFP8 has no grouped form with this config");
}

TEST(GroupedLinear, PlainHasGradientsAndBf16) {
  const Experts experts;
  nn::GroupedLinear grouped(experts.weight.clone().requires_grad_(), experts.bias.clone());
  grouped(experts.x, experts.offsets).square().sum().backward();
  EXPECT_EQ(grouped->weight.grad()[1].count_nonzero().item<int>(), 0);  // it has no rows
  EXPECT_GT(grouped->weight.grad()[2].norm().item<float>(), 0);
  torch::NoGradGuard no_grad;
  const Tensor expected = grouped(experts.x, experts.offsets);
  grouped->to(torch::kBFloat16);
  const Tensor got = grouped(experts.x.to(torch::kBFloat16), experts.offsets);
  EXPECT_EQ(got.scalar_type(), torch::kBFloat16);
  EXPECT_LT((got.to(torch::kFloat32) - expected).norm().item<float>(),
            0.02F * expected.norm().item<float>());
}

TEST(GroupedLinear, Refuses) {
  const Experts experts;
  const auto make = [&](const Tensor& weight, const Config& config, const Tensor& bias = {}) {
    return [=] { nn::GroupedLinear(weight, config, bias); };
  };
  EXPECT_THAT(make(experts.weight[0], Int8WeightOnlyConfig{}),
              ThrowsMessage<Error>(HasSubstr("got 2 dimensions")));
  EXPECT_THAT(make(experts.weight, Int4WeightOnlyConfig{}),
              ThrowsMessage<Error>(HasSubstr("not a multiple of the group")));
  EXPECT_THAT(make(experts.weight, Float8DynamicActivationInt4WeightConfig{.group_size = 32}),
              ThrowsMessage<Error>(HasSubstr("scheme W4AFP8 has no grouped form")));
  EXPECT_THAT(make(experts.weight, Int8WeightOnlyConfig{}, experts.bias[0]),
              ThrowsMessage<Error>(HasSubstr("bias has the wrong shape")));
  nn::GroupedLinear grouped(experts.weight, Int8WeightOnlyConfig{});
  EXPECT_THAT([&] { grouped(experts.x.clone().requires_grad_(), experts.offsets); },
              ThrowsMessage<Error>(HasSubstr("there is no gradient")));
}

}  // namespace
}  // namespace lowp
