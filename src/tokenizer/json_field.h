#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lowp::tokenizer {

// A value of a JSON file together with its place, so that every error names file and field.
// Refers to the parsed document, which must outlive it.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string file, std::string path = "");

  const nlohmann::json& value() const { return *value_; }

  // A member that must exist; a member that may be absent or null.
  JsonField at(std::string_view key) const;
  std::optional<JsonField> find(std::string_view key) const;
  std::vector<JsonField> elements() const;

  std::string string() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;  // inclusive
  std::string type() const { return at("type").string(); }

  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string fallback) const;

  // Throws if this is not an object or has another member than these.
  void allow_only(std::initializer_list<std::string_view> keys) const;
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  [[noreturn]] void wrong_type(const char* expected) const;

  const nlohmann::json* value_;
  std::string file_;
  std::string path_;
};

}  // namespace lowp::tokenizer
