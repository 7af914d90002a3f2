#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lowp::tokenizer {

// Part of a text, in bytes.
struct Range {
  std::size_t begin, end;

  bool empty() const { return begin == end; }
};

// A pattern in the syntax of tokenizer.json (Oniguruma's), run by PCRE2 with its JIT compiler.
class Regex {
 public:
  // Throws lowp::Error where the syntax is not supported or wrong.
  explicit Regex(const std::string& pattern);

  // Appends every match, from left to right, as Oniguruma's find_iter gives them. The text must be
  // UTF-8.
  void find_all(std::string_view text, std::vector<Range>& matches) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace lowp::tokenizer
