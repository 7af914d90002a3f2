#include "tokenizer/json_field.h"

#include <fmt/format.h>

#include <algorithm>

#include "lowp/error.h"

namespace lowp::tokenizer {
namespace {

// A value as it stands in the file, cut if long.
std::string excerpt(const nlohmann::json& value) {
  constexpr std::size_t kLongest = 60;
  if (value.is_structured()) return fmt::format("an {}", value.type_name());
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

}  // namespace

JsonField::JsonField(const nlohmann::json& value, std::string file, std::string path)
    : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

JsonField JsonField::at(std::string_view key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto found = value_->find(key);
  if (found == value_->end()) fail(fmt::format("has no field \"{}\"", key));
  return {*found, file_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)};
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return at(key);
}

std::vector<JsonField> JsonField::elements() const {
  if (!value_->is_array()) wrong_type("an array");
  std::vector<JsonField> list;
  for (const nlohmann::json& element : *value_) {
    list.emplace_back(element, file_, fmt::format("{}[{}]", path_, list.size()));
  }
  return list;
}

std::string JsonField::string() const {
  if (!value_->is_string()) wrong_type("a string");
  return value_->get<std::string>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) wrong_type("true or false");
  return value_->get<bool>();
}

std::int64_t JsonField::integer(std::int64_t low, std::int64_t high) const {
  const bool fits = value_->is_number_integer() &&
                    !(value_->is_number_unsigned() && value_->get<std::uint64_t>() > INT64_MAX);
  if (!fits || value_->get<std::int64_t>() < low || value_->get<std::int64_t>() > high) {
    wrong_type(fmt::format("an integer from {} to {}", low, high).c_str());
  }
  return value_->get<std::int64_t>();
}

bool JsonField::boolean_or(std::string_view key, bool fallback) const {
  const auto field = find(key);
  return field ? field->boolean() : fallback;
}

std::string JsonField::string_or(std::string_view key, std::string fallback) const {
  const auto field = find(key);
  return field ? field->string() : std::move(fallback);
}

void JsonField::allow_only(std::initializer_list<std::string_view> keys) const {
  if (!value_->is_object()) wrong_type("an object");
  for (const auto& [key, ignored] : value_->items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      fail(fmt::format("has the field \"{}\", which is not known; expected only {}", key,
                       fmt::join(keys, ", ")));
    }
  }
}

void JsonField::fail(const std::string& problem) const {
  throw Error(
      fmt::format("[tokenizer] {}: {} {}", file_, path_.empty() ? "the file" : path_, problem));
}

void JsonField::wrong_type(const char* expected) const {
  fail(fmt::format("is {}, expected {}", excerpt(*value_), expected));
}

}  // namespace lowp::tokenizer
