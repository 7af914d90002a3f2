#include "checkpoint/gguf_value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace lowp::checkpoint {
namespace {

constexpr int kMaxDepth = 4;

double shortest_double(float value) {
  if (!std::isfinite(value)) return value;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double shortest = 0;
  std::from_chars(text, end, shortest);
  return shortest;
}

}  // namespace

std::size_t gguf_value_min_bytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
    case GgufValueType::kString:  // its length
      return 8;
    case GgufValueType::kArray:  // element type and count
      return 12;
  }
  return 1;
}

void check_gguf_value(GgufCursor& cursor, GgufValueType type, int depth) {
  if (type == GgufValueType::kString) {
    cursor.read_string("string");
  } else if (type == GgufValueType::kBool) {
    const auto value = cursor.read<std::uint8_t>("bool");
    if (value > 1) cursor.fail(fmt::format("bool is {}, expected 0 or 1", value));
  } else if (type == GgufValueType::kArray) {
    if (depth == kMaxDepth) {
      cursor.fail(fmt::format("arrays are nested more than {} deep", kMaxDepth));
    }
    const GgufValueType element = cursor.read_value_type("array element type");
    const auto count = cursor.read<std::uint64_t>("array length");
    cursor.require_count(count, gguf_value_min_bytes(element), "array length");
    const bool fixed = element != GgufValueType::kString && element != GgufValueType::kBool &&
                       element != GgufValueType::kArray;
    if (fixed) {
      cursor.skip(count * gguf_value_min_bytes(element), "array");
    } else {
      for (std::uint64_t i = 0; i < count; ++i) check_gguf_value(cursor, element, depth + 1);
    }
  } else {
    cursor.skip(gguf_value_min_bytes(type), "value");
  }
}

nlohmann::ordered_json read_gguf_value(GgufCursor& cursor, GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
      return cursor.read<std::uint8_t>("value");
    case GgufValueType::kInt8:
      return cursor.read<std::int8_t>("value");
    case GgufValueType::kUint16:
      return cursor.read<std::uint16_t>("value");
    case GgufValueType::kInt16:
      return cursor.read<std::int16_t>("value");
    case GgufValueType::kUint32:
      return cursor.read<std::uint32_t>("value");
    case GgufValueType::kInt32:
      return cursor.read<std::int32_t>("value");
    case GgufValueType::kFloat32:
      return shortest_double(cursor.read<float>("value"));
    case GgufValueType::kBool:
      return cursor.read<std::uint8_t>("value") != 0;
    case GgufValueType::kString:
      return cursor.read_string("value");
    case GgufValueType::kUint64:
      return cursor.read<std::uint64_t>("value");
    case GgufValueType::kInt64:
      return cursor.read<std::int64_t>("value");
    case GgufValueType::kFloat64:
      return cursor.read<double>("value");
    case GgufValueType::kArray:
      break;
  }
  const GgufValueType element = cursor.read_value_type("array element type");
  const auto count = cursor.read<std::uint64_t>("array length");
  nlohmann::ordered_json::array_t values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(read_gguf_value(cursor, element));
  return values;
}

}  // namespace lowp::checkpoint
