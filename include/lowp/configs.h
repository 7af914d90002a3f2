// How to quantize a linear layer: the argument of lowp::quantize_. Names and fields are torchao's
// where it has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace lowp {

// Which values share a scale.
struct PerTensor {};
struct PerRow {};    // a row of the weight, a token of the activations
struct PerBlock {};  // 128x128 of the weight, 1x128 of the activations
struct PerGroup {
  std::int64_t group_size = 128;  // along the input features
};

enum class MappingType : std::uint8_t {
  kSymmetric,   // value = code * scale
  kAsymmetric,  // value = (code - zero_point) * scale, zero_point an integer
  kFloatZero,   // value = code * scale + zero; torchao's int4 for bfloat16
};

// How the power-of-two scale of an MX block follows from its largest element.
enum class ScaleCalculationMode : std::uint8_t { kFloor, kCeil, kEven, kRceil };

// int8 weights; activations to int8 at run time, per token or all alike. Scheme W8A8.
struct Int8DynamicActivationInt8WeightConfig {
  std::variant<PerRow, PerTensor> granularity = PerRow{};  // of the weight
  MappingType act_mapping_type = MappingType::kSymmetric;  // or kAsymmetric
  std::variant<PerRow, PerTensor> act_granularity = PerRow{};
};

// int8 weights; activations to int8 with a scale known before: given here, or by calibration
// (SmoothQuantConfig). Scheme W8A8.
struct Int8StaticActivationInt8WeightConfig {
  std::optional<float> act_quant_scale = std::nullopt;
  std::int8_t act_quant_zero_point = 0;                    // with kAsymmetric
  std::variant<PerRow, PerTensor> granularity = PerRow{};  // of the weight
  MappingType act_mapping_type = MappingType::kSymmetric;  // or kAsymmetric
};

// Scheme W8A16.
struct Int8WeightOnlyConfig {
  std::variant<PerRow, PerTensor, PerGroup> granularity = PerRow{};
};

// Schemes W4A16_FLOAT_ZERO (as torchao), W4A16, W4A16_ASYM.
struct Int4WeightOnlyConfig {
  std::int64_t group_size = 128;  // even, divides the input features
  MappingType mapping_type = MappingType::kFloatZero;
};

// int4 weights; activations to int8 per token at run time. Schemes W4A8, W4A8_ASYM.
struct Int8DynamicActivationInt4WeightConfig {
  std::int64_t group_size = 32;                             // even, divides the input features
  MappingType mapping_type = MappingType::kSymmetric;       // of the weight: or kAsymmetric
  MappingType act_mapping_type = MappingType::kAsymmetric;  // or kSymmetric
};

// Weights of 1 to 8 bits. Schemes W1A16 to W7A16, and _ASYM; of 4 and 8 bits those of
// Int4WeightOnlyConfig and Int8WeightOnlyConfig. On the CPU alone but for 4 and 8 bits.
struct IntxWeightOnlyConfig {
  int weight_bits = 8;  // torchao's weight_dtype, torch.int1 to int8
  std::variant<PerRow, PerGroup> granularity = PerRow{};  // groups: a multiple of 8
  MappingType mapping_type = MappingType::kSymmetric;     // or kAsymmetric, but for 8 bits
};

// Weights of 1 to 8 bits; activations to int8 per token at run time. Schemes W1A8 to W7A8, and
// _ASYM; of 8 bits W8A8, per row and symmetric.
struct Int8DynamicActivationIntxWeightConfig {
  int weight_bits = 8;
  std::variant<PerGroup, PerRow> weight_granularity = PerGroup{32};
  MappingType weight_mapping_type = MappingType::kSymmetric;  // or kAsymmetric
  MappingType act_mapping_type = MappingType::kAsymmetric;    // or kSymmetric
};

// int4 weights; activations to float8_e4m3fn per token at run time. Scheme W4AFP8.
struct Float8DynamicActivationInt4WeightConfig {
  std::int64_t group_size = 128;  // even, divides the input features
};

// float8_e4m3fn on both sides. Schemes FP8, FP8_DYNAMIC, FP8_BLOCK.
struct Float8DynamicActivationFloat8WeightConfig {
  std::variant<PerTensor, PerRow, PerBlock> granularity = PerTensor{};
};

// Scheme FP8_WEIGHT_ONLY.
struct Float8WeightOnlyConfig {
  std::variant<PerRow, PerTensor, PerBlock> granularity = PerRow{};
};

// MXFP8 on both sides: float8_e4m3fn with a power-of-two scale for 32 values. Scheme MXFP8.
struct MXDynamicActivationMXWeightConfig {
  ScaleCalculationMode scaling_mode = ScaleCalculationMode::kRceil;
};

// float8_e4m3fn with a power-of-two scale for 32 values. Scheme MXFP8A16.
struct MXFP8WeightOnlyConfig {
  ScaleCalculationMode scaling_mode = ScaleCalculationMode::kRceil;
};

enum class MXFP6Element : std::uint8_t { kE2M3, kE3M2 };

// Six bits with a power-of-two scale for 32 values. Schemes MXFP6, which compressed-tensors can
// store, and MXFP6_E3M2. On the CPU alone.
struct MXFP6WeightOnlyConfig {
  MXFP6Element element = MXFP6Element::kE2M3;
  ScaleCalculationMode scaling_mode = ScaleCalculationMode::kRceil;
};

// e2m1 with a power-of-two scale for 32 values. Scheme MXFP4.
struct MXFP4WeightOnlyConfig {
  ScaleCalculationMode scaling_mode = ScaleCalculationMode::kRceil;
};

// e2m1 with a float8_e4m3fn scale for 16 values, and one float32 scale a tensor (1 if
// use_dynamic_per_tensor_scale is false). Scheme NVFP4.
struct NVFP4WeightOnlyConfig {
  bool use_dynamic_per_tensor_scale = true;
};

using Config =
    std::variant<Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, Int4WeightOnlyConfig,
                 Float8DynamicActivationFloat8WeightConfig, Float8WeightOnlyConfig,
                 MXDynamicActivationMXWeightConfig, MXFP4WeightOnlyConfig, NVFP4WeightOnlyConfig,
                 Int8DynamicActivationInt4WeightConfig, Float8DynamicActivationInt4WeightConfig,
                 Int8StaticActivationInt8WeightConfig, IntxWeightOnlyConfig,
                 Int8DynamicActivationIntxWeightConfig, MXFP6WeightOnlyConfig,
                 MXFP8WeightOnlyConfig>;

// Moves outliers of the activations into the weight before both become int8 (arXiv 2211.10438):
// column j of x is divided, and that of the weight multiplied, by
// max|x_j|^alpha / max|w_j|^(1 - alpha); without alpha neither is.
struct SmoothQuantConfig {
  std::variant<Int8DynamicActivationInt8WeightConfig, Int8StaticActivationInt8WeightConfig>
      base_config = Int8DynamicActivationInt8WeightConfig{};
  std::optional<double> alpha = 0.5;
};

// The config of a scheme's name ("W4A16", "FP8_DYNAMIC", as the command takes them). group_size 0:
// the scheme's own. Throws lowp::Error for an unknown name, and for a group size that the scheme
// does not have.
Config config_from_scheme(std::string_view name, std::int64_t group_size = 0);

// The name of the scheme that a config stands for.
std::string scheme_name(const Config& config);

}  // namespace lowp
