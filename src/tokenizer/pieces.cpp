#include "tokenizer/pieces.h"

namespace lowp::tokenizer {
namespace {

// A part of a piece: a match or what lies between two.
struct Part {
  Range range;
  bool match;
};

// Matches and gaps that together cover the piece. A match may be empty, a gap is not.
void cover(std::size_t length, const std::vector<Range>& matches, bool invert,
           std::vector<Part>& parts) {
  std::size_t done = 0;
  for (const Range& match : matches) {
    if (done != match.begin) parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done != length) parts.push_back({{done, length}, invert});
}

// Joins parts to their neighbours as the behaviour says.
void merge(std::vector<Part>& parts, Behavior behavior) {
  std::vector<Part> merged;
  bool previous = false;
  for (const Part& part : parts) {
    const bool joins =
        behavior == Behavior::kContiguous ? part.match == previous : part.match && !previous;
    if (joins && !merged.empty()) {
      merged.back().range.end = part.range.end;
    } else {
      merged.push_back(part);
    }
    previous = part.match;
  }
  parts = std::move(merged);
}

// As merge, from the right.
void merge_with_next(std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->match && !previous && !merged.empty()) {
      merged.back().range.begin = part->range.begin;
    } else {
      merged.push_back(*part);
    }
    previous = part->match;
  }
  parts.assign(merged.rbegin(), merged.rend());
}

}  // namespace

void split(Pieces& pieces, const FindMatches& find, Behavior behavior, bool invert) {
  std::vector<Range> ranges, matches;
  std::vector<Part> parts;
  ranges.reserve(pieces.ranges.size());
  for (const Range& range : pieces.ranges) {
    matches.clear();
    parts.clear();
    find(pieces.piece(range), matches);
    cover(range.end - range.begin, matches, invert, parts);
    if (behavior == Behavior::kMergedWithNext) {
      merge_with_next(parts);
    } else if (behavior == Behavior::kContiguous || behavior == Behavior::kMergedWithPrevious) {
      merge(parts, behavior);
    }
    for (const Part& part : parts) {
      const bool removed = behavior == Behavior::kRemoved && part.match;
      if (removed || part.range.empty()) continue;
      ranges.push_back({range.begin + part.range.begin, range.begin + part.range.end});
    }
  }
  if (ranges.empty() || ranges.front().begin > 0) pieces.starts_input = false;
  pieces.ranges = std::move(ranges);
}

void rewrite(Pieces& pieces,
             const std::function<void(std::size_t, std::string_view, std::string&)>& append) {
  std::string text;
  text.reserve(pieces.text.size() + pieces.text.size() / 4);
  for (std::size_t i = 0; i < pieces.ranges.size(); ++i) {
    const std::size_t begin = text.size();
    append(i, pieces.piece(pieces.ranges[i]), text);
    pieces.ranges[i] = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

}  // namespace lowp::tokenizer
