// Typed access to the metadata of a GGUF file; every error names the file, the key and the value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/gguf.h"

namespace lowp::checkpoint {

class GgufFields {
 public:
  // Keys are looked up as `prefix` + key.
  GgufFields(const Gguf& gguf, std::string prefix) : gguf_(gguf), prefix_(std::move(prefix)) {}

  bool has(std::string_view key) const { return gguf_.contains(full(key)); }

  // An integer from 1 to 2^31 - 1. A list of equal integers, one a layer, counts as one.
  std::int64_t size(std::string_view key) const;
  std::optional<std::int64_t> find_size(std::string_view key) const;
  std::int64_t size(std::string_view key, std::int64_t fallback) const;

  // Finite and more than 0.
  double positive(std::string_view key) const;
  std::optional<double> find_positive(std::string_view key) const;

  std::string text(std::string_view key) const;
  std::optional<std::string> find_text(std::string_view key) const;

  // An integer from 0 to limit - 1.
  std::optional<std::int64_t> find_index(std::string_view key, std::int64_t limit) const;

  [[noreturn]] void fail(std::string_view key, std::string_view problem) const;

 private:
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }
  [[noreturn]] void fail_value(std::string_view key, const nlohmann::ordered_json& value,
                               std::string_view expected) const;

  const Gguf& gguf_;
  std::string prefix_;
};

}  // namespace lowp::checkpoint
