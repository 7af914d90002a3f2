#include "tokenizer/regex.h"

#include <gmock/gmock.h>

#include "lowp/error.h"
#include "tokenizer/regex_syntax.h"

namespace lowp::tokenizer {
namespace {

std::vector<std::string> matches(const std::string& pattern, std::string_view text) {
  std::vector<Range> ranges;
  Regex(pattern).find_all(text, ranges);
  std::vector<std::string> found;
  for (const Range& range : ranges) {
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return found;
}

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Regex, FindsAllMatches) {
  EXPECT_THAT(matches(R"(\p{L}+|\p{N}{1,3})", "ab \u00E9t 12345"),
              ElementsAre("ab", "\u00E9t", "123", "45"));
  EXPECT_THAT(matches(R"(\s+(?!\S)|\s+)", "a  b "), ElementsAre(" ", " ", " "));
  EXPECT_THAT(matches("x", ""), ElementsAre());
}

TEST(Regex, EmptyMatchesDoNotFollowAMatch) {
  EXPECT_THAT(matches("x*", "xa"), ElementsAre("x", ""));
  EXPECT_THAT(matches("x*", "\u00E9"), ElementsAre("", ""));
}

TEST(Regex, SpaceIsWhiteSpaceOfUnicode) {
  EXPECT_THAT(matches(R"(\s)", "\u180E\u00A0\u0085\u200B"), ElementsAre("\u00A0", "\u0085"));
}

TEST(Regex, WordHoldsMarks) {
  EXPECT_THAT(matches(R"(\w+)", "e\u0301_1 \u24D0-\u00B2"),
              ElementsAre("e\u0301_1", "\u24D0", "\u00B2"));
  EXPECT_THAT(matches(R"([\w]+)", "\u00B2x"), ElementsAre("x"));
  EXPECT_THAT(matches(R"(\bx)", "x e\u0301x"), ElementsAre("x"));
}

TEST(Regex, LinesEndAtLineFeedsOnly) {
  EXPECT_THAT(matches("^.", "a\r\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(matches(".$", "a\r\nb"), ElementsAre("\r", "b"));
}

// Scripts, not script extensions: U+3001 is used with Han but belongs to none.
TEST(Regex, ScriptsAreExact) {
  EXPECT_THAT(matches(R"(\p{Han}+)", "\u6F22\u3001\u5B57"), ElementsAre("\u6F22", "\u5B57"));
}

// Groups that repeat need the JIT's stack: the one on the machine's stack is 32 KiB.
TEST(Regex, LongMatches) {
  const std::string text(1'000'000, 'a');
  EXPECT_THAT(matches("(?:a|b)+", text), ElementsAre(text));
  std::string spaces(1'000'000, ' ');
  spaces.back() = 'x';
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", spaces).size(), 2u);
}

TEST(RegexSyntax, Intervals) {
  EXPECT_EQ(pcre2_from_oniguruma("a{,3}b{2}c{1,}d{1,2}?"), "a{0,3}b{2}c{1,}d{1,2}?");
  EXPECT_EQ(pcre2_from_oniguruma("{a}{,}"), R"(\{a}\{,})");
}

TEST(RegexSyntax, WhatHasNoEqualIsAnError) {
  for (const char* pattern : {"[a-z&&[aeiou]]", "[[:alpha:]]", "a{2}+", "a{2}?",   "(?<name>a)",
                              "(?m:a)",         R"(\k)",       R"(\R)", R"(\X)",   R"(\1)",
                              R"(\xFF)",        R"(\u12)",     "\\",    R"([\W])", R"(\p)",
                              R"(\p{L)",        "[a",          "[]a]",  "(",       "(?",
                              R"(\p{Klingon})", "[b-a]",       "*"}) {
    EXPECT_THROW(Regex{pattern}, Error) << pattern;
  }
  try {
    Regex("ab[[x]]");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("pattern \"ab[[x]]\", at character 4: a set within a set"));
  }
}

}  // namespace
}  // namespace lowp::tokenizer
