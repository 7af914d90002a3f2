#include "quantize/plan.h"

#include <array>

#include "lowp/error.h"

namespace lowp {
namespace {

// numerics of NVFP4: the tensor scale is amax / (448 * 6); with this amax it is 1.
constexpr float kNvfp4UnitAmax = 448.0F * 6.0F;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang deduces this itself from 17 on only

Scheme with_granularity(std::string_view name, Granularity granularity) {
  Scheme scheme = scheme_from_name(name);
  scheme.granularity = granularity;
  return scheme;
}

Scheme with_group(std::string_view name, std::int64_t group_size) {
  Scheme scheme = scheme_from_name(name);
  if (group_size < 1) {
    throw Error("[quantize_] group_size is not positive, got " + std::to_string(group_size) +
                ", expected 1 or more");
  }
  scheme.granularity = Granularity::kGroup;
  scheme.group_size = group_size;
  return scheme;
}

Granularity to_granularity(PerTensor) { return Granularity::kTensor; }
Granularity to_granularity(PerRow) { return Granularity::kRow; }
Granularity to_granularity(PerBlock) { return Granularity::kBlock128; }

MxScaleMode to_mode(ScaleCalculationMode mode) {
  constexpr std::array kModes{MxScaleMode::kFloor, MxScaleMode::kCeil, MxScaleMode::kEven,
                              MxScaleMode::kRceil};
  return kModes[static_cast<std::size_t>(mode)];
}

const char* name(ScaleCalculationMode mode) {
  constexpr std::array kNames{"floor", "ceil", "even", "rceil"};
  return kNames[static_cast<std::size_t>(mode)];
}

// ActivationOptions' name.
const char* int8_activation_mapping(MappingType mapping) {
  if (mapping == MappingType::kFloatZero) {
    throw Error(
        "[quantize_] act_mapping_type of int8 activations is not known, got kFloatZero, "
        "expected kSymmetric or kAsymmetric");
  }
  return mapping == MappingType::kAsymmetric ? "asymmetric" : "symmetric";
}

Scheme with_int4_group(std::string_view name, std::int64_t group_size) {
  if (group_size % 2 != 0) {
    throw Error("[quantize_] group_size of int4 is odd, got " + std::to_string(group_size) +
                ", expected an even number");
  }
  return with_group(name, group_size);
}

Plan plan(const Int8DynamicActivationInt8WeightConfig& config) {
  Plan result;
  result.scheme = with_granularity(
      "W8A8",
      std::visit([](auto granularity) { return to_granularity(granularity); }, config.granularity));
  result.activation.mapping = int8_activation_mapping(config.act_mapping_type);
  result.activation.per_tensor = std::holds_alternative<PerTensor>(config.act_granularity);
  return result;
}

Plan plan(const Int8StaticActivationInt8WeightConfig& config) {
  if (!config.act_quant_scale || !(*config.act_quant_scale > 0)) {
    throw Error("[quantize_] act_quant_scale is missing, got " +
                (config.act_quant_scale ? std::to_string(*config.act_quant_scale) : "none") +
                ", expected a positive number or a SmoothQuantConfig around the config");
  }
  Plan result = plan(Int8DynamicActivationInt8WeightConfig{
      .granularity = config.granularity, .act_mapping_type = config.act_mapping_type});
  result.activation.scale = config.act_quant_scale;
  result.activation.zero_point = config.act_quant_zero_point;
  return result;
}

Plan plan(const Int8DynamicActivationInt4WeightConfig& config) {
  if (config.mapping_type == MappingType::kFloatZero) {
    throw Error(
        "[quantize_] mapping_type of int4 weights with int8 activations is not known, got "
        "kFloatZero, expected kSymmetric or kAsymmetric");
  }
  const bool asymmetric = config.mapping_type == MappingType::kAsymmetric;
  Plan result;
  result.scheme = with_int4_group(asymmetric ? "W4A8_ASYM" : "W4A8", config.group_size);
  result.activation.mapping = int8_activation_mapping(config.act_mapping_type);
  return result;
}

// W2A16, W2A8_ASYM and so on, with the config's granularity.
template <class Granularities>
Scheme intx_scheme(int bits, std::string_view activation, MappingType mapping,
                   const Granularities& granularity) {
  if (bits < 1 || bits > 8) {
    throw Error("[quantize_] weight_bits is out of range, got " + std::to_string(bits) +
                ", expected 1 to 8");
  }
  if (mapping == MappingType::kFloatZero) {
    throw Error(
        "[quantize_] mapping type of intx weights is not known, got kFloatZero, expected "
        "kSymmetric or kAsymmetric");
  }
  const bool asymmetric = mapping == MappingType::kAsymmetric;
  if (bits == 8 && asymmetric) {
    throw Error(
        "[quantize_] mapping type of 8-bit weights is not supported, got kAsymmetric, expected "
        "kSymmetric");
  }
  std::string name = std::to_string(bits);
  name.insert(name.begin(), 'W');
  name.append(activation).append(asymmetric ? "_ASYM" : "");
  const auto* groups = std::get_if<PerGroup>(&granularity);
  if (groups == nullptr) {
    Scheme scheme = with_granularity(name, Granularity::kRow);
    scheme.group_size = 0;
    return scheme;
  }
  const std::int64_t multiple = bits == 4 ? 2 : (bits == 8 ? 1 : 8);
  if (groups->group_size % multiple != 0) {
    throw Error("[quantize_] group_size of " + std::to_string(bits) + "-bit weights, got " +
                std::to_string(groups->group_size) + ", expected a multiple of " +
                std::to_string(multiple));
  }
  if (bits == 8 && activation == "A8") {
    throw Error(
        "[quantize_] granularity of 8-bit weights with int8 activations is not supported, got "
        "PerGroup, expected PerRow");
  }
  return with_group(name, groups->group_size);
}

Plan plan(const IntxWeightOnlyConfig& config) {
  return {intx_scheme(config.weight_bits, "A16", config.mapping_type, config.granularity), {}, {}};
}

Plan plan(const Int8DynamicActivationIntxWeightConfig& config) {
  Plan result;
  result.scheme =
      intx_scheme(config.weight_bits, "A8", config.weight_mapping_type, config.weight_granularity);
  result.activation.mapping = int8_activation_mapping(config.act_mapping_type);
  return result;
}

Plan plan(const Float8DynamicActivationInt4WeightConfig& config) {
  return {with_int4_group("W4AFP8", config.group_size), {}, {}};
}

Plan plan(const Int8WeightOnlyConfig& config) {
  return {
      std::visit(Overloaded{[](PerGroup groups) { return with_group("W8A16", groups.group_size); },
                            [](auto granularity) {
                              return with_granularity("W8A16", to_granularity(granularity));
                            }},
                 config.granularity),
      {},
      {}};
}

Plan plan(const Int4WeightOnlyConfig& config) {
  constexpr std::array kNames{"W4A16", "W4A16_ASYM", "W4A16_FLOAT_ZERO"};
  return {with_int4_group(kNames[static_cast<std::size_t>(config.mapping_type)], config.group_size),
          {},
          {}};
}

Plan plan(const Float8DynamicActivationFloat8WeightConfig& config) {
  constexpr std::array kNames{"FP8", "FP8_DYNAMIC", "FP8_BLOCK"};
  return {scheme_from_name(kNames[config.granularity.index()]), {}, {}};
}

Plan plan(const Float8WeightOnlyConfig& config) {
  return {with_granularity("FP8_WEIGHT_ONLY",
                           std::visit([](auto granularity) { return to_granularity(granularity); },
                                      config.granularity)),
          {},
          {}};
}

Plan plan(const MXDynamicActivationMXWeightConfig& config) {
  Plan result{scheme_from_name("MXFP8"), {}, {}};
  result.options.mx_scale_mode = to_mode(config.scaling_mode);
  result.activation.scaling_mode = name(config.scaling_mode);
  return result;
}

Plan plan(const MXFP8WeightOnlyConfig& config) {
  Plan result{scheme_from_name("MXFP8A16"), {}, {}};
  result.options.mx_scale_mode = to_mode(config.scaling_mode);
  return result;
}

Plan plan(const MXFP6WeightOnlyConfig& config) {
  const bool e2m3 = config.element == MXFP6Element::kE2M3;
  Plan result{scheme_from_name(e2m3 ? "MXFP6" : "MXFP6_E3M2"), {}, {}};
  result.options.mx_scale_mode = to_mode(config.scaling_mode);
  return result;
}

Plan plan(const MXFP4WeightOnlyConfig& config) {
  Plan result{scheme_from_name("MXFP4"), {}, {}};
  result.options.mx_scale_mode = to_mode(config.scaling_mode);
  return result;
}

Plan plan(const NVFP4WeightOnlyConfig& config) {
  Plan result{scheme_from_name("NVFP4"), {}, {}};
  if (!config.use_dynamic_per_tensor_scale) result.options.amax = kNvfp4UnitAmax;
  return result;
}

Config config_of(const Scheme& scheme, std::int64_t group_size) {
  using enum WeightFormat;
  switch (scheme.weight) {
    case kInt8:
      if (scheme.activation != ActivationFormat::kNone) {
        return Int8DynamicActivationInt8WeightConfig{};
      }
      if (group_size == 0) return Int8WeightOnlyConfig{};
      return Int8WeightOnlyConfig{.granularity = PerGroup{group_size}};
    case kInt4: {
      const std::int64_t group = group_size == 0 ? scheme.group_size : group_size;
      if (scheme.activation == ActivationFormat::kFp8Row) {
        return Float8DynamicActivationInt4WeightConfig{.group_size = group};
      }
      const MappingType mapping = scheme.mapping == Mapping::kFloatZero ? MappingType::kFloatZero
                                  : scheme.mapping == Mapping::kAsymmetric
                                      ? MappingType::kAsymmetric
                                      : MappingType::kSymmetric;
      if (scheme.activation == ActivationFormat::kInt8Row) {
        // Symmetric activations, as compressed-tensors' scheme of the name has them.
        return Int8DynamicActivationInt4WeightConfig{.group_size = group,
                                                     .mapping_type = mapping,
                                                     .act_mapping_type = MappingType::kSymmetric};
      }
      return Int4WeightOnlyConfig{.group_size = group, .mapping_type = mapping};
    }
    case kIntx: {
      const PerGroup groups{group_size == 0 ? scheme.group_size : group_size};
      const MappingType mapping = scheme.mapping == Mapping::kAsymmetric ? MappingType::kAsymmetric
                                                                         : MappingType::kSymmetric;
      if (scheme.activation == ActivationFormat::kInt8Row) {
        // Symmetric activations, as of W4A8.
        return Int8DynamicActivationIntxWeightConfig{.weight_bits = scheme.bits,
                                                     .weight_granularity = groups,
                                                     .weight_mapping_type = mapping,
                                                     .act_mapping_type = MappingType::kSymmetric};
      }
      return IntxWeightOnlyConfig{
          .weight_bits = scheme.bits, .granularity = groups, .mapping_type = mapping};
    }
    case kFp8:
      if (scheme.activation == ActivationFormat::kNone) return Float8WeightOnlyConfig{};
      if (scheme.granularity == Granularity::kRow) {
        return Float8DynamicActivationFloat8WeightConfig{.granularity = PerRow{}};
      }
      if (scheme.granularity == Granularity::kBlock128) {
        return Float8DynamicActivationFloat8WeightConfig{.granularity = PerBlock{}};
      }
      return Float8DynamicActivationFloat8WeightConfig{};
    case kMxfp8:
      if (scheme.activation == ActivationFormat::kNone) return MXFP8WeightOnlyConfig{};
      return MXDynamicActivationMXWeightConfig{};
    case kMxfp6E2m3:
      return MXFP6WeightOnlyConfig{};
    case kMxfp6E3m2:
      return MXFP6WeightOnlyConfig{.element = MXFP6Element::kE3M2};
    case kMxfp4:
      return MXFP4WeightOnlyConfig{};
    case kNvfp4:
      return NVFP4WeightOnlyConfig{};
  }
  throw Error("[scheme] no config for the scheme, got " + std::string(scheme.name) +
              ", expected one that quantize_ knows");
}

}  // namespace

Plan plan_from_config(const Config& config) {
  return std::visit([](const auto& one) { return plan(one); }, config);
}

Config config_from_scheme(std::string_view name, std::int64_t group_size) {
  const Scheme& scheme = scheme_from_name(name);
  const bool has_choice =
      scheme.weight == WeightFormat::kInt4 || scheme.weight == WeightFormat::kIntx ||
      (scheme.weight == WeightFormat::kInt8 && scheme.activation == ActivationFormat::kNone);
  if (group_size != 0 && group_size != scheme.group_size && !has_choice) {
    throw Error("[scheme] the scheme's group size is fixed, got " + std::to_string(group_size) +
                " for " + std::string(name) + ", expected " + std::to_string(scheme.group_size));
  }
  const Config config = config_of(scheme, group_size);
  plan_from_config(config);  // a bad group size is an error here
  return config;
}

std::string scheme_name(const Config& config) {
  return std::string(plan_from_config(config).scheme.name);
}

}  // namespace lowp
