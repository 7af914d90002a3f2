#include "tokenizer/pieces.h"

#include <gmock/gmock.h>

namespace lowp::tokenizer {
namespace {

std::vector<std::string> cut(const std::string& text, Behavior behavior, bool invert = false) {
  Pieces pieces{text, {{0, text.size()}}, true};
  const auto dashes = [](std::string_view piece, std::vector<Range>& matches) {
    for (std::size_t i = 0; i < piece.size(); ++i) {
      if (piece[i] == '-') matches.push_back({i, i + 1});
    }
  };
  split(pieces, dashes, behavior, invert);
  std::vector<std::string> parts;
  for (const Range& range : pieces.ranges) parts.emplace_back(pieces.piece(range));
  return parts;
}

using testing::ElementsAre;

// The example of the `tokenizers` package's documentation.
TEST(Pieces, Behaviors) {
  const std::string text = "the-final--countdown";
  EXPECT_THAT(cut(text, Behavior::kRemoved), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(cut(text, Behavior::kIsolated),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(cut(text, Behavior::kMergedWithPrevious),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(cut(text, Behavior::kMergedWithNext),
              ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(cut(text, Behavior::kContiguous),
              ElementsAre("the", "-", "final", "--", "countdown"));
  EXPECT_THAT(cut(text, Behavior::kRemoved, true), ElementsAre("-", "-", "-"));
}

TEST(Pieces, NothingIsLeftOfDelimitersAlone) {
  EXPECT_THAT(cut("--", Behavior::kRemoved), ElementsAre());
  EXPECT_THAT(cut("-", Behavior::kMergedWithNext), ElementsAre("-"));
}

TEST(Pieces, RemovedStartIsRemembered) {
  Pieces pieces{"-a", {{0, 2}}, true};
  split(
      pieces,
      [](std::string_view, std::vector<Range>& matches) {
        matches.push_back({0, 1});
      },
      Behavior::kRemoved, false);
  EXPECT_FALSE(pieces.starts_input);
}

TEST(Pieces, RewriteKeepsTheCuts) {
  Pieces pieces{"abc", {{0, 1}, {2, 3}}, true};
  rewrite(pieces, [](std::size_t index, std::string_view piece, std::string& out) {
    out += index == 0 ? std::string("long") : std::string(piece);
  });
  EXPECT_EQ(pieces.text, "longc");
  EXPECT_EQ(pieces.piece(pieces.ranges[1]), "c");
}

}  // namespace
}  // namespace lowp::tokenizer
