#include "tokenizer/sentencepiece_merges.h"

#include <algorithm>
#include <cstdint>

namespace lowp::tokenizer {
namespace {

struct Merge {
  std::string_view left, right;
  std::size_t left_id, right_id;
  std::size_t left_length, right_length;  // code points
  double score;
};

bool starts_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

using Ids = std::unordered_map<std::string_view, std::size_t>;

void append_cuts(std::string_view token, double score, const Ids& ids, std::vector<Merge>& merges) {
  const std::size_t first = merges.size();
  const std::size_t length = count_code_points(token);
  std::size_t left_length = 0;
  for (std::size_t cut = 0; cut < token.size(); ++cut) {
    if (!starts_code_point(token[cut])) continue;
    if (cut > 0) {
      const auto left = ids.find(token.substr(0, cut));
      const auto right = ids.find(token.substr(cut));
      if (left != ids.end() && right != ids.end()) {
        merges.push_back({left->first, right->first, left->second, right->second, left_length,
                          length - left_length, score});
      }
    }
    ++left_length;
  }
  std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
            [](const Merge& a, const Merge& b) {
              return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
            });
}

}  // namespace

std::vector<std::pair<std::string_view, std::string_view>> merges_from_scores(
    const std::vector<std::string>& tokens, const std::vector<double>& scores) {
  Ids ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id], id);
  std::vector<Merge> merges;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    append_cuts(tokens[id], scores[id], ids, merges);
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.left_length != b.left_length) return a.left_length > b.left_length;
    return a.right_length > b.right_length;
  });
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  pairs.reserve(merges.size());
  for (const Merge& merge : merges) pairs.emplace_back(merge.left, merge.right);
  return pairs;
}

}  // namespace lowp::tokenizer
