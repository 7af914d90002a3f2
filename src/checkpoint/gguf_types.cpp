#include "checkpoint/gguf_types.h"

#include <algorithm>
#include <array>

namespace lowp::checkpoint {
namespace {

constexpr std::array kTypes{
    GgufTypeInfo{0, "F32", 1, 4, true},          GgufTypeInfo{1, "F16", 1, 2, true},
    GgufTypeInfo{2, "Q4_0", 32, 18, true},       GgufTypeInfo{3, "Q4_1", 32, 20, true},
    GgufTypeInfo{6, "Q5_0", 32, 22, true},       GgufTypeInfo{7, "Q5_1", 32, 24, true},
    GgufTypeInfo{8, "Q8_0", 32, 34, true},       GgufTypeInfo{9, "Q8_1", 32, 40, false},
    GgufTypeInfo{10, "Q2_K", 256, 84, false},    GgufTypeInfo{11, "Q3_K", 256, 110, false},
    GgufTypeInfo{12, "Q4_K", 256, 144, true},    GgufTypeInfo{13, "Q5_K", 256, 176, true},
    GgufTypeInfo{14, "Q6_K", 256, 210, true},    GgufTypeInfo{15, "Q8_K", 256, 292, false},
    GgufTypeInfo{16, "IQ2_XXS", 256, 66, false}, GgufTypeInfo{17, "IQ2_XS", 256, 74, false},
    GgufTypeInfo{18, "IQ3_XXS", 256, 98, false}, GgufTypeInfo{19, "IQ1_S", 256, 50, false},
    GgufTypeInfo{20, "IQ4_NL", 32, 18, false},   GgufTypeInfo{21, "IQ3_S", 256, 110, false},
    GgufTypeInfo{22, "IQ2_S", 256, 82, false},   GgufTypeInfo{23, "IQ4_XS", 256, 136, false},
    GgufTypeInfo{24, "I8", 1, 1, false},         GgufTypeInfo{25, "I16", 1, 2, false},
    GgufTypeInfo{26, "I32", 1, 4, false},        GgufTypeInfo{27, "I64", 1, 8, false},
    GgufTypeInfo{28, "F64", 1, 8, false},        GgufTypeInfo{29, "IQ1_M", 256, 56, false},
    GgufTypeInfo{30, "BF16", 1, 2, true},        GgufTypeInfo{34, "TQ1_0", 256, 54, false},
    GgufTypeInfo{35, "TQ2_0", 256, 66, false},   GgufTypeInfo{39, "MXFP4", 32, 17, false},
    GgufTypeInfo{40, "NVFP4", 64, 36, false},    GgufTypeInfo{41, "Q1_0", 128, 18, false},
};

constexpr std::array<std::string_view, 13> kValueTypes{
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

}  // namespace

std::optional<GgufTypeInfo> gguf_type_info(std::uint32_t id) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const GgufTypeInfo& info) { return info.id == id; });
  if (found == kTypes.end()) return std::nullopt;
  return *found;
}

std::optional<std::string_view> gguf_value_type_name(std::uint32_t id) {
  if (id >= kValueTypes.size()) return std::nullopt;
  return kValueTypes[id];
}

}  // namespace lowp::checkpoint
