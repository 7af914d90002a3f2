#include "lowp/quantize.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <cmath>
#include <sstream>

#include "lowp/cuda.h"
#include "lowp/error.h"

namespace lowp {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct BlockImpl : torch::nn::Module {
  BlockImpl() {
    up = register_module("up", nn::Linear(64, 96));
    down = register_module("down", nn::Linear(96, 64));
    head = register_module("head", nn::Linear(64, 40));
    plain = register_module("plain", torch::nn::Linear(64, 64));
  }
  nn::Linear up{nullptr};
  nn::Linear down{nullptr};
  nn::Linear head{nullptr};
  torch::nn::Linear plain{nullptr};
};
TORCH_MODULE(Block);

const LayerReport& of(const Report& report, const std::string& name) {
  for (const LayerReport& layer : report.layers) {
    if (layer.name == name) return layer;
  }
  throw std::runtime_error("no layer " + name);
}

TEST(Quantize, ListsEveryLayer) {
  Block model;
  const Report report = quantize_(model, Int4WeightOnlyConfig{.group_size = 64});
  ASSERT_EQ(report.layers.size(), 4U);
  EXPECT_EQ(of(report, "up").scheme, "W4A16_FLOAT_ZERO");
  EXPECT_EQ(of(report, "up").out_features, 96);
  EXPECT_EQ(of(report, "up").in_features, 64);
  EXPECT_EQ(of(report, "up").group_size, 64);
  // A scale and a zero of 32 bits for 64 codes of 4 bits.
  EXPECT_DOUBLE_EQ(of(report, "up").bits_per_weight, 5.0);
  EXPECT_GT(of(report, "up").sqnr_db, 18.0);
  EXPECT_THAT(of(report, "down").skipped, HasSubstr("groups that fit: 32, 16"));
  EXPECT_THAT(of(report, "plain").skipped, HasSubstr("torch::nn::Linear"));
  EXPECT_TRUE(model->up->is_quantized());
  EXPECT_FALSE(model->down->is_quantized());
}

// A module whose head the calibration does not reach, and inputs with two columns of outliers.
struct Calibrated {
  Block model;
  torch::Tensor x;

  Calibrated() {
    torch::manual_seed(0);
    x = torch::randn({33, 64});
    x.slice(1, 5, 7) *= 50;
  }
  torch::Tensor run() { return model->down(torch::relu(model->up(x))); }
};

double sqnr_db(const torch::Tensor& got, const torch::Tensor& expected) {
  return 20 * std::log10(expected.norm().item<double>() / (got - expected).norm().item<double>());
}

TEST(SmoothQuant, HelpsWithOutliers) {
  torch::NoGradGuard no_grad;
  for (const bool fixed : {false, true}) {
    double quality[2];
    for (const bool smooth : {false, true}) {
      Calibrated calibrated;
      const torch::Tensor expected = calibrated.run();
      SmoothQuantConfig config;
      if (fixed) {
        config.base_config =
            Int8StaticActivationInt8WeightConfig{.act_mapping_type = MappingType::kAsymmetric};
      }
      if (!smooth) config.alpha = std::nullopt;
      const Report report = quantize_(calibrated.model, config, [&] { calibrated.run(); });
      EXPECT_EQ(of(report, "up").scheme, "W8A8");
      EXPECT_EQ(of(report, "head").skipped, "no batch of the calibration reached it");
      EXPECT_THAT(of(report, "plain").skipped, HasSubstr("torch::nn::Linear"));
      EXPECT_FALSE(calibrated.model->up->is_observed());
      quality[smooth] = sqnr_db(calibrated.run(), expected);
    }
    EXPECT_GT(quality[1], 20);
    EXPECT_GT(quality[1], quality[0] + 3);
  }
}

TEST(SmoothQuant, StateSavesAndDequantizes) {
  torch::NoGradGuard no_grad;
  Calibrated calibrated;
  const torch::Tensor weight = calibrated.model->up->weight.clone();
  const SmoothQuantConfig config{.base_config = Int8StaticActivationInt8WeightConfig{}};
  quantize_(calibrated.model, config, [&] { calibrated.run(); });
  nn::Linear& up = calibrated.model->up;
  const torch::Tensor expected = up(calibrated.x);
  EXPECT_GT(sqnr_db(up->dequantized_weight(), weight), 20);
  std::stringstream stream;
  torch::save(up, stream);
  nn::Linear loaded(64, 96);
  torch::load(loaded, stream);
  EXPECT_TRUE(torch::equal(loaded(calibrated.x), expected));
}

TEST(SmoothQuant, StopsObservingWhenCalibrationThrows) {
  Calibrated calibrated;
  EXPECT_THROW(
      quantize_(calibrated.model, SmoothQuantConfig{}, [] { throw std::runtime_error("no data"); }),
      std::runtime_error);
  EXPECT_FALSE(calibrated.model->up->is_observed());
  EXPECT_FALSE(calibrated.model->up->is_quantized());
  EXPECT_THAT([&] { quantize_(calibrated.model, SmoothQuantConfig{}, std::function<void()>{}); },
              ThrowsMessage<Error>(HasSubstr("calibrate is empty")));
  EXPECT_THAT([&] { quantize_(calibrated.model, Int8StaticActivationInt8WeightConfig{}); },
              ThrowsMessage<Error>(HasSubstr("act_quant_scale is missing, got none")));
}

TEST(Quantize, ASecondTimeSkips) {
  Block model;
  quantize_(model, Int8WeightOnlyConfig{});
  const Report again = quantize_(model, NVFP4WeightOnlyConfig{});
  EXPECT_EQ(of(again, "up").skipped, "it is quantized already: W8A16");
}

TEST(Quantize, SkipsADtypeItDoesNotTake) {
  nn::Linear linear(64, 64);
  linear->to(torch::kFloat64);
  EXPECT_THAT(quantize_(linear, Int8WeightOnlyConfig{}).layers[0].skipped, HasSubstr("Double"));
}

TEST(Quantize, TheFilterLeavesOut) {
  Block model;
  const Report report =
      quantize_(model, Int8WeightOnlyConfig{},
                [](const torch::nn::Module&, const std::string& name) { return name != "head"; });
  EXPECT_EQ(of(report, "head").skipped, "the filter leaves it out");
  EXPECT_TRUE(model->up->is_quantized());
}

TEST(Quantize, NamesThenPatternsThenDefault) {
  Block model;
  const Report report = quantize_(model, FqnToConfig{{{"_default", NVFP4WeightOnlyConfig{}},
                                                      {"re:.*", std::nullopt},
                                                      {"re:do.*", Int8WeightOnlyConfig{}},
                                                      {"up", MXFP4WeightOnlyConfig{}}}});
  EXPECT_EQ(of(report, "up").scheme, "MXFP4");
  EXPECT_EQ(of(report, "down").skipped, "'re:.*' leaves it out");

  Block other;
  const Report second = quantize_(other, FqnToConfig{{{"re:do.*", Int8WeightOnlyConfig{}}}});
  EXPECT_EQ(of(second, "down").scheme, "W8A16");
  EXPECT_EQ(of(second, "up").skipped, "no entry names it");
}

TEST(Quantize, RefusesAMapThatFitsNoLayerBeforeItChangesAnything) {
  Block model;
  const FqnToConfig configs{{{"up", Int8WeightOnlyConfig{}}, {"upp", Int8WeightOnlyConfig{}}}};
  EXPECT_THAT([&] { quantize_(model, configs); }, ThrowsMessage<Error>(HasSubstr("got 'upp'")));
  EXPECT_THAT(
      [&] {
        quantize_(model, FqnToConfig{{{"re:(", Int8WeightOnlyConfig{}}}});
      },
      ThrowsMessage<Error>(HasSubstr("got 're:('")));
  EXPECT_FALSE(model->up->is_quantized());
}

TEST(Quantize, RefusesAConfigThatNoLayerCouldFollow) {
  Block model;
  EXPECT_THROW(quantize_(model, Int4WeightOnlyConfig{.group_size = 0}), Error);
  EXPECT_THROW(quantize_(model, Int4WeightOnlyConfig{.group_size = 7}), Error);
  EXPECT_THROW(quantize_(model, Float8DynamicActivationInt4WeightConfig{.group_size = 7}), Error);
  EXPECT_THROW(quantize_(model, Int8DynamicActivationInt4WeightConfig{.mapping_type =
                                                                          MappingType::kFloatZero}),
               Error);
}

TEST(Quantize, TheReportAsJsonAndText) {
  Block model;
  const Report report = quantize_(model, Float8WeightOnlyConfig{});
  EXPECT_THAT(report.to_json(), HasSubstr(R"({"name":"up","out_features":96,"in_features":64,)"
                                          R"("scheme":"FP8_WEIGHT_ONLY","group_size":0)"));
  std::ostringstream text;
  text << report;
  EXPECT_THAT(text.str(), HasSubstr("up (96, 64): FP8_WEIGHT_ONLY, 8."));
  EXPECT_THAT(text.str(), HasSubstr("plain (64, 64): skipped"));
}

TEST(Configs, SchemesAndConfigsNameEachOther) {
  for (const char* name :
       {"W8A8",      "W8A16",       "W4A16",     "W4A16_ASYM",      "W4A16_FLOAT_ZERO",
        "FP8",       "FP8_DYNAMIC", "FP8_BLOCK", "FP8_WEIGHT_ONLY", "MXFP8",
        "MXFP6",     "MXFP6_E3M2",  "MXFP4",     "NVFP4",           "W4A8",
        "W4A8_ASYM", "W4AFP8",      "W2A16",     "W7A16_ASYM",      "W3A8",
        "W5A8_ASYM", "MXFP8A16"}) {
    EXPECT_EQ(scheme_name(config_from_scheme(name)), name);
  }
  EXPECT_EQ(std::get<Int4WeightOnlyConfig>(config_from_scheme("W4A16", 32)).group_size, 32);
  EXPECT_THAT([] { config_from_scheme("W4A61"); },
              ThrowsMessage<Error>(HasSubstr("did you mean 'W4A16'")));
  EXPECT_THAT([] { config_from_scheme("NVFP4", 32); },
              ThrowsMessage<Error>(HasSubstr("expected 16")));
}

// Granularities that no scheme's name stands for.
TEST(Configs, EveryGranularityRuns) {
  torch::NoGradGuard no_grad;
  const std::vector<Config> configs{
      Int8WeightOnlyConfig{.granularity = PerTensor{}},
      Int8WeightOnlyConfig{.granularity = PerGroup{16}},
      Int8DynamicActivationInt8WeightConfig{.granularity = PerTensor{}},
      Int8DynamicActivationInt8WeightConfig{.act_mapping_type = MappingType::kAsymmetric},
      Int8DynamicActivationInt4WeightConfig{},
      IntxWeightOnlyConfig{.weight_bits = 3},
      IntxWeightOnlyConfig{.weight_bits = 4},
      IntxWeightOnlyConfig{.weight_bits = 8, .granularity = PerGroup{16}},
      IntxWeightOnlyConfig{.weight_bits = 6, .mapping_type = MappingType::kAsymmetric},
      Int8DynamicActivationIntxWeightConfig{.weight_bits = 5},
      Int8DynamicActivationIntxWeightConfig{.weight_bits = 4, .weight_granularity = PerRow{}},
      Int8DynamicActivationIntxWeightConfig{.weight_bits = 8, .weight_granularity = PerRow{}},
      Int8DynamicActivationInt4WeightConfig{.mapping_type = MappingType::kAsymmetric},
      Float8DynamicActivationInt4WeightConfig{.group_size = 32},
      Float8WeightOnlyConfig{.granularity = PerTensor{}},
      Float8WeightOnlyConfig{.granularity = PerBlock{}},
      MXDynamicActivationMXWeightConfig{.scaling_mode = ScaleCalculationMode::kFloor},
      MXFP4WeightOnlyConfig{.scaling_mode = ScaleCalculationMode::kEven},
      NVFP4WeightOnlyConfig{.use_dynamic_per_tensor_scale = false},
  };
  for (const Config& config : configs) {
    SCOPED_TRACE(config.index());
    nn::Linear linear(160, 136);
    const torch::Tensor x = torch::randn({5, 160}) + 0.5;
    const torch::Tensor exact = linear(x);
    const Report report = quantize_(linear, config);
    ASSERT_EQ(report.layers[0].skipped, "");
    const torch::Tensor y = linear(x);
    // Uniform weights: NVFP4 without a tensor scale has the coarsest scales, some 12 dB.
    EXPECT_LT(((y - exact).norm() / exact.norm()).item<double>(), 0.25);
    EXPECT_TRUE(std::isfinite(report.layers[0].sqnr_db));
  }
}

TEST(Cuda, IsNotLoadedWithoutADriver) {
  if (::dlopen("libcuda.so.1", RTLD_LAZY) != nullptr) GTEST_SKIP() << "there is a driver";
  EXPECT_FALSE(load_cuda_operators());
}

}  // namespace
}  // namespace lowp
