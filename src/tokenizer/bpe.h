#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/json_field.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"

namespace lowp::tokenizer {

// What one call of encode keeps between words: scratch memory and the words it has seen.
class BpeState {
 private:
  friend class Bpe;

  struct Symbol {
    std::int32_t id;  // negative once merged into its left neighbour
    std::int32_t previous, next;
  };
  struct Candidate {
    std::uint64_t order;  // rank, then position: the smallest is merged first
    std::int32_t id;
  };
  struct Cached {
    std::size_t begin, end;  // into cached_ids
  };

  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::unordered_map<std::string, Cached, StringHash, std::equal_to<>> words;
  std::vector<std::int32_t> cached_ids;
};

// The `model` "BPE" of tokenizer.json: a word starts as its characters, and neighbours are merged
// in the order of the merges' ranks until none is left.
class Bpe {
 public:
  explicit Bpe(const JsonField& field);

  // Appends the ids of one word. A character that is not in the vocabulary becomes its bytes
  // (byte_fallback), else the unknown token; without either it is dropped, as `tokenizers` does.
  void encode(std::string_view word, BpeState& state, std::vector<std::int32_t>& ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  void read_vocabulary(const JsonField& field);
  void read_merges(const JsonField& field);
  void index_character(const std::string& token, std::int32_t id);

  std::optional<std::int32_t> character_id(std::uint32_t code_point, std::string_view text) const;
  void start_symbols(std::string_view word, std::vector<BpeState::Symbol>& symbols) const;
  void merge_symbols(BpeState& state) const;
  void push_candidate(BpeState& state, std::int32_t position) const;

  static constexpr std::size_t kIndexed = 0x3000;  // most scripts but CJK

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::array<std::int32_t, kIndexed> character_ids_;  // by code point; -1 if there is no token
  std::array<std::int32_t, 256> byte_ids_;            // of <0x00> to <0xFF>; -1 if absent
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_, byte_fallback_, ignore_merges_;
};

}  // namespace lowp::tokenizer
