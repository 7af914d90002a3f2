#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lowp::tokenizer {

// The merges of a SentencePiece BPE vocabulary, best first. SentencePiece keeps none: it joins the
// two neighbours whose concatenation scores highest, so every way of cutting a token into two other
// tokens is a merge, ordered by the score of the whole. `tokens` and `scores` are indexed by id;
// ties keep the order that transformers' generate_merges gives them.
std::vector<std::pair<std::string_view, std::string_view>> merges_from_scores(
    const std::vector<std::string>& tokens, const std::vector<double>& scores);

}  // namespace lowp::tokenizer
