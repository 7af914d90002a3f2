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
    MXFP4WeightOnlyConfig{},
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
              ThrowsMessage<Error>(HasSubstr("no grouped form, got scheme W4AFP8")));
  EXPECT_THAT(make(experts.weight, Int8WeightOnlyConfig{}, experts.bias[0]),
              ThrowsMessage<Error>(HasSubstr("bias has the wrong shape")));
  nn::GroupedLinear grouped(experts.weight, Int8WeightOnlyConfig{});
  EXPECT_THAT([&] { grouped(experts.x.clone().requires_grad_(), experts.offsets); },
              ThrowsMessage<Error>(HasSubstr("there is no gradient")));
}

}  // namespace
}  // namespace lowp
