#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lowp::tokenizer {

// Largest id a file may use: the largest vocabularies hold 262144 tokens, and tables are indexed by
// id.
constexpr std::int32_t kLargestId = (1 << 22) - 1;

// Lets string-keyed maps be searched with a string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

// Tokens and their ids, both ways.
class Vocabulary {
 public:
  // False if the token or the id is taken. 0 <= id <= kLargestId.
  bool add(const std::string& token, std::int32_t id) {
    if (token_of(id) != nullptr || !ids_.emplace(token, id).second) return false;
    if (tokens_.size() <= static_cast<std::size_t>(id)) tokens_.resize(id + 1);
    tokens_[id] = token;
    return true;
  }

  std::optional<std::int32_t> id_of(std::string_view token) const {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  // nullptr if no token has the id.
  const std::string* token_of(std::int32_t id) const {
    const bool known = id >= 0 && static_cast<std::size_t>(id) < tokens_.size() && tokens_[id];
    return known ? &*tokens_[id] : nullptr;
  }

  std::size_t size() const { return ids_.size(); }
  void reserve(std::size_t count) {
    ids_.reserve(count);
    tokens_.reserve(count);
  }

 private:
  std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>> ids_;
  std::vector<std::optional<std::string>> tokens_;  // by id
};

}  // namespace lowp::tokenizer
