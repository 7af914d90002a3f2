// The type ids of GGUF and the sizes of its quantized blocks (ggml.h, gguf/constants.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lowp::checkpoint {

enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
  // The other known ids are read as well, but only for their names and sizes.
};

struct GgufTypeInfo {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  bool can_dequantize;
};

// Nothing for an id that ggml does not define.
std::optional<GgufTypeInfo> gguf_type_info(std::uint32_t id);
inline GgufTypeInfo gguf_type_info(GgufType type) {
  return *gguf_type_info(static_cast<std::uint32_t>(type));
}

enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// "u32", "string"; nothing for an unknown id.
std::optional<std::string_view> gguf_value_type_name(std::uint32_t id);

}  // namespace lowp::checkpoint
