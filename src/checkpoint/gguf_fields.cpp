#include "checkpoint/gguf_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "checkpoint/gguf_cursor.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

// An integer of 64 bits with a sign; nothing for other values.
std::optional<std::int64_t> as_integer(const nlohmann::ordered_json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  return value.get<std::int64_t>();
}

}  // namespace

std::int64_t GgufFields::size(std::string_view key) const {
  nlohmann::ordered_json value = gguf_.value(full(key));
  if (value.is_array() && !value.empty() &&
      std::all_of(value.begin(), value.end(), [&](const auto& x) { return x == value[0]; })) {
    value = nlohmann::ordered_json(value[0]);
  }
  const std::optional<std::int64_t> integer = as_integer(value);
  constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();
  if (!integer || *integer < 1 || *integer > kLargest) {
    fail_value(key, value, "an integer from 1 to 2^31 - 1");
  }
  return *integer;
}

std::optional<std::int64_t> GgufFields::find_size(std::string_view key) const {
  return has(key) ? std::optional(size(key)) : std::nullopt;
}

std::int64_t GgufFields::size(std::string_view key, std::int64_t fallback) const {
  return find_size(key).value_or(fallback);
}

double GgufFields::positive(std::string_view key) const {
  const nlohmann::ordered_json value = gguf_.value(full(key));
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() <= 0) {
    fail_value(key, value, "a finite number above 0");
  }
  return value.get<double>();
}

std::optional<double> GgufFields::find_positive(std::string_view key) const {
  return has(key) ? std::optional(positive(key)) : std::nullopt;
}

std::string GgufFields::text(std::string_view key) const {
  const nlohmann::ordered_json value = gguf_.value(full(key));
  if (!value.is_string()) fail_value(key, value, "a string");
  return value.get<std::string>();
}

std::optional<std::string> GgufFields::find_text(std::string_view key) const {
  return has(key) ? std::optional(text(key)) : std::nullopt;
}

std::optional<std::int64_t> GgufFields::find_index(std::string_view key, std::int64_t limit) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::ordered_json value = gguf_.value(full(key));
  const std::optional<std::int64_t> integer = as_integer(value);
  if (!integer || *integer < 0 || *integer >= limit) {
    fail_value(key, value, fmt::format("an integer from 0 to {}", limit - 1));
  }
  return integer;
}

void GgufFields::fail(std::string_view key, std::string_view problem) const {
  throw Error(fmt::format("[gguf] '{}': metadata '{}': {}", gguf_.path().string(),
                          printable(full(key)), problem));
}

void GgufFields::fail_value(std::string_view key, const nlohmann::ordered_json& value,
                            std::string_view expected) const {
  fail(key, fmt::format("value is {}, expected {}", printable(value.dump()), expected));
}

}  // namespace lowp::checkpoint
