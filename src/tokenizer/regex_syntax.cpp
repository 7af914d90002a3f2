#include "tokenizer/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "lowp/error.h"

namespace lowp::tokenizer {
namespace {

// \w as members of a set. Alone, Oniguruma looks it up in a table for Latin-1, which holds its
// superscripts and fractions too; within a set it does not.
constexpr std::string_view kWordInSet = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kWord =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

struct Name {
  std::string_view oniguruma, pcre2;
};

// Long names of general categories; PCRE2 knows only the short ones.
constexpr std::array kCategories{
    Name{"Letter", "L"},
    Name{"Mark", "M"},
    Name{"Number", "N"},
    Name{"Punctuation", "P"},
    Name{"Symbol", "S"},
    Name{"Separator", "Z"},
    Name{"Other", "C"},
    Name{"Uppercase_Letter", "Lu"},
    Name{"Lowercase_Letter", "Ll"},
    Name{"Decimal_Number", "Nd"},
};

// Names that mean the same in both, though they are neither a category nor a script.
constexpr std::array<std::string_view, 8> kProperties{
    "Any",       "Alphabetic", "White_Space", "Uppercase",
    "Lowercase", "Emoji",      "Ideographic", "Extended_Pictographic"};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (in_set_) {
        set_member(c);
      } else if (c == '[') {
        open_set();
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        interval();
      } else {
        copy(1);
      }
    }
    if (in_set_) fail("a [ is not closed");
    return out_;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(
        fmt::format("[tokenizer] pattern \"{}\", at character {}: {}", pattern_, at_ + 1, problem));
  }

  std::string_view rest() const { return pattern_.substr(at_); }

  void copy(std::size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }

  void replace(std::size_t count, std::string_view text) {
    out_ += text;
    at_ += count;
  }

  void open_set() {
    in_set_ = true;
    copy(rest().starts_with("[^") ? 2 : 1);
    if (rest().starts_with(']')) fail("an empty set, or a ] that stands first in one");
  }

  void set_member(char c) {
    if (c == '[') fail("a set within a set is not supported");
    if (rest().starts_with("&&")) fail("the intersection of sets is not supported");
    if (c == ']') in_set_ = false;
    copy(1);
  }

  void group() {
    if (!rest().starts_with("(?")) return copy(1);
    for (std::string_view known :
         {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?i)", "(?-i:", "(?-i)"}) {
      if (rest().starts_with(known)) return copy(known.size());
    }
    fail("this kind of group is not supported");
  }

  // {n}, {n,}, {n,m} and Oniguruma's {,m}; anything else after { stands for itself in both.
  void interval() {
    std::size_t end = 1;
    const auto digits = [&] {
      const std::size_t first = end;
      while (end < rest().size() && std::isdigit(static_cast<unsigned char>(rest()[end]))) ++end;
      return end > first;
    };
    const bool low = digits();
    const bool comma = rest().substr(end).starts_with(',');
    if (comma) ++end;
    const bool high = comma && digits();
    if (!rest().substr(end).starts_with('}') || !(low || high)) return replace(1, "\\{");
    const std::string_view after = rest().substr(end + 1);
    if (after.starts_with('+')) fail("+ after an interval is not supported");
    if (after.starts_with('?') && !comma) fail("? after {n} is not supported");
    if (!low) replace(1, "{0");
    copy(end + 1 - (low ? 0 : 1));
  }

  void escape() {
    if (rest().size() < 2) fail("a \\ ends the pattern");
    const char c = rest()[1];
    switch (c) {
      case 's':
        return replace(2, R"(\p{White_Space})");
      case 'S':
        return replace(2, R"(\P{White_Space})");
      case 'w':
        return replace(2, in_set_ ? std::string(kWordInSet) : fmt::format("[{}]", kWord));
      case 'W':
        if (in_set_) fail("\\W in a set is not supported");
        return replace(2, fmt::format("[^{}]", kWord));
      case 'h':
        return replace(2, in_set_ ? "0-9A-Fa-f" : "[0-9A-Fa-f]");
      case 'v':
        return replace(2, R"(\x0B)");
      case 'b':
        if (in_set_) return copy(2);
        return replace(2, fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWord));
      case 'x':
        return hexadecimal();
      case 'u':
        return code_point();
      case 'p':
      case 'P':
        return property();
      default:
        return plain_escape(c);
    }
  }

  void plain_escape(char c) {
    constexpr std::string_view kSame = "dDnrtfae", kSameOutside = "AzZ";
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
    const bool same =
        kSame.find(c) != kSame.npos || (!in_set_ && kSameOutside.find(c) != kSame.npos);
    if (letter && !same) fail(fmt::format("\\{} is not supported", c));
    // Behind the backslash may stand a character of several bytes: the rest follows by itself.
    copy(2);
  }

  void hexadecimal() {
    if (rest().starts_with("\\x{")) return copy(3);
    const bool ascii = rest().size() >= 4 && rest()[2] >= '0' && rest()[2] <= '7' &&
                       std::isxdigit(static_cast<unsigned char>(rest()[3]));
    if (!ascii) fail("\\x must be followed by 00 to 7F or {...}");
    copy(4);
  }

  void code_point() {
    const std::string_view digits = rest().substr(2, 4);
    const bool valid = digits.size() == 4 && std::all_of(digits.begin(), digits.end(), [](char c) {
                         return std::isxdigit(static_cast<unsigned char>(c));
                       });
    if (!valid) fail("\\u must be followed by four hexadecimal digits");
    replace(6, fmt::format("\\x{{{}}}", digits));
  }

  void property() {
    const std::size_t end = rest().find('}');
    if (!rest().substr(2).starts_with('{') || end == std::string_view::npos) {
      fail("\\p must be followed by {name}");
    }
    std::string_view name = rest().substr(3, end - 3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    replace(end + 1, fmt::format("{}{{{}{}}}", out_escape(), negated ? "^" : "", known_as(name)));
  }

  std::string_view out_escape() const { return rest().substr(0, 2); }

  // PCRE2 means script extensions where Oniguruma means the script.
  static std::string known_as(std::string_view name) {
    for (const Name& category : kCategories) {
      if (category.oniguruma == name) return std::string(category.pcre2);
    }
    const bool same = name.size() <= 2 ||
                      std::find(kProperties.begin(), kProperties.end(), name) != kProperties.end();
    return same ? std::string(name) : fmt::format("sc:{}", name);
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  bool in_set_ = false;
  std::string out_;
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace lowp::tokenizer
