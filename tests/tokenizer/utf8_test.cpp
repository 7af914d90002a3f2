#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

#include "tokenizer/unicode.h"

namespace lowp::tokenizer {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

TEST(Utf8, EveryCodePointComesBack) {
  for (std::uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    ASSERT_EQ(find_invalid_utf8(text), kNone) << c;
    std::size_t at = 0;
    ASSERT_EQ(next_code_point(text, at), c);
    ASSERT_EQ(at, text.size());
  }
}

TEST(Utf8, FindsWhatIsIllFormed) {
  EXPECT_EQ(find_invalid_utf8("plain and \u00E9\u6F22\U0001F642"), kNone);
  EXPECT_EQ(find_invalid_utf8("12345678901\xFF"), 11u);
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE6\xBC", "\xF0\x9F\x99"}) {
    EXPECT_EQ(find_invalid_utf8(bad), 0u) << bad;
  }
}

// The example of the Unicode standard, section 3.9, table 3-8.
TEST(Utf8, ReplacesMaximalParts) {
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(replace_invalid_utf8("good"), "good");
  EXPECT_EQ(replace_invalid_utf8("cut \xF0\x9F\x99"), "cut \uFFFD");
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(normalized("e\u0301 A\u030A \u1100\u1161", NormalForm::kNfc), "\u00E9 \u00C5 \uAC00");
  EXPECT_EQ(normalized("\u00E9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalized("\uFB01 \u00B2", NormalForm::kNfkc), "fi 2");
  EXPECT_EQ(normalized(std::string_view("\0\u00E9\0", 4), NormalForm::kNfc),
            std::string_view("\0\u00E9\0", 4));
  EXPECT_EQ(lowercase("\u00C9L\u0130"), "\u00E9li\u0307");
}

TEST(Unicode, SpaceAtTheEnds) {
  EXPECT_EQ(leading_space(" \u3000x "), 4u);
  EXPECT_EQ(trailing_space("x\u3000\t"), 4u);
  EXPECT_EQ(leading_space(" \n"), 2u);
  EXPECT_EQ(trailing_space(" \n"), 2u);
  EXPECT_EQ(trailing_space(""), 0u);
}

}  // namespace
}  // namespace lowp::tokenizer
