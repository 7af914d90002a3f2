#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "lowp/error.h"
#include "tokenizer/byte_fallback.h"
#include "tokenizer/utf8.h"

namespace lowp::tokenizer {
namespace {

struct MergeText {
  std::string left, right;
};

// ["a", "b"], or "a b" in older files.
MergeText read_merge(const JsonField& merges, std::size_t index) {
  const nlohmann::json& value = merges.value()[index];
  const bool pair =
      value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
  if (pair) return {value[0].get<std::string>(), value[1].get<std::string>()};
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  merges.elements()[index].fail("is not a merge, expected [\"a\", \"b\"] or \"a b\"");
}

void require_absent(const JsonField& field, std::string_view key) {
  const auto value = field.find(key);
  if (value && !value->string().empty()) value->fail("is not supported");
}

void require_no_dropout(const JsonField& field) {
  const auto dropout = field.find("dropout");
  const bool none = !dropout || (dropout->value().is_number() && dropout->value() == 0.0);
  if (!none) dropout->fail("is not supported: encoding would be random");
}

}  // namespace

Bpe::Bpe(const JsonField& field)
    : fuse_unknown_(field.boolean_or("fuse_unk", false)),
      byte_fallback_(field.boolean_or("byte_fallback", false)),
      ignore_merges_(field.boolean_or("ignore_merges", false)) {
  field.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                    "merges"});
  // Files older than the field have no type.
  if (const std::string type = field.string_or("type", "BPE"); type != "BPE") {
    field.at("type").fail(fmt::format("is \"{}\", expected BPE", type));
  }
  require_no_dropout(field);
  require_absent(field, "continuing_subword_prefix");
  require_absent(field, "end_of_word_suffix");
  read_vocabulary(field.at("vocab"));
  read_merges(field.at("merges"));
  if (const auto unknown = field.find("unk_token")) {
    unknown_ = vocabulary_.id_of(unknown->string());
    if (!unknown_) unknown->fail(fmt::format("is \"{}\", which vocab lacks", unknown->string()));
  }
}

void Bpe::read_vocabulary(const JsonField& field) {
  if (!field.value().is_object()) field.fail("is not an object");
  vocabulary_.reserve(field.value().size());
  character_ids_.fill(-1);
  byte_ids_.fill(-1);
  for (const auto& [token, id] : field.value().items()) {
    const bool valid = id.is_number_unsigned() && id.get<std::uint64_t>() <= kLargestId;
    if (!valid) field.at(token).integer(0, kLargestId);  // throws
    if (!vocabulary_.add(token, id.get<std::int32_t>())) {
      field.at(token).fail(fmt::format("is {}, the id of \"{}\" too", id.get<std::int32_t>(),
                                       *vocabulary_.token_of(id.get<std::int32_t>())));
    }
    index_character(token, id.get<std::int32_t>());
  }
}

void Bpe::read_merges(const JsonField& field) {
  if (!field.value().is_array()) field.fail("is not an array");
  const std::size_t count = field.value().size();
  merges_ = MergeTable(count);
  const auto id_of = [&](const std::string& token, std::size_t index) {
    const auto id = vocabulary_.id_of(token);
    if (!id) field.elements()[index].fail(fmt::format("needs \"{}\", which vocab lacks", token));
    return *id;
  };
  for (std::size_t index = 0; index < count; ++index) {
    const MergeText merge = read_merge(field, index);
    const std::int32_t left = id_of(merge.left, index);
    const std::int32_t right = id_of(merge.right, index);
    const std::int32_t whole = id_of(merge.left + merge.right, index);
    merges_.set(left, right, {static_cast<std::uint32_t>(index), whole});
  }
}

// Notes where a token is one character or one byte.
void Bpe::index_character(const std::string& token, std::int32_t id) {
  if (token.empty()) return;
  std::size_t end = 0;
  const std::uint32_t code_point = next_code_point(token, end);
  if (end == token.size() && code_point < kIndexed) character_ids_[code_point] = id;
  if (const auto byte = fallback_byte(token)) {
    const auto value = static_cast<unsigned char>(*byte);
    if (token == fmt::format("<0x{:02X}>", value)) byte_ids_[value] = id;
  }
}

std::optional<std::int32_t> Bpe::character_id(std::uint32_t code_point,
                                              std::string_view text) const {
  if (code_point >= kIndexed) return vocabulary_.id_of(text);
  const std::int32_t id = character_ids_[code_point];
  return id < 0 ? std::nullopt : std::optional(id);
}

// One symbol a character. An unknown token waits until the next known one, so that its neighbours
// may fuse with it; bytes do not end the wait (tokenizers 0.23, models/bpe/model.rs).
void Bpe::start_symbols(std::string_view word, std::vector<BpeState::Symbol>& symbols) const {
  symbols.clear();
  const auto add = [&](std::int32_t id) {
    const auto position = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, position - 1, position + 1});
  };
  bool waiting = false;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t begin = at;
    const std::uint32_t code_point = next_code_point(word, at);
    const std::string_view character = word.substr(begin, at - begin);
    if (const auto id = character_id(code_point, character)) {
      if (waiting) add(*unknown_);
      waiting = false;
      add(*id);
      continue;
    }
    const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    const bool as_bytes =
        byte_fallback_ && std::all_of(character.begin(), character.end(),
                                      [&](char byte) { return byte_id(byte) >= 0; });
    if (as_bytes) {
      for (const char byte : character) add(byte_id(byte));
    } else if (unknown_) {
      if (waiting && !fuse_unknown_) add(*unknown_);
      waiting = true;
    }
  }
  if (waiting) add(*unknown_);
  if (!symbols.empty()) symbols.back().next = -1;
}

// Offers to merge the symbol at `position` with the one behind it.
void Bpe::push_candidate(BpeState& state, std::int32_t position) const {
  const BpeState::Symbol& left = state.symbols[position];
  if (left.next < 0) return;
  const Merge* merge = merges_.find(left.id, state.symbols[left.next].id);
  if (merge == nullptr) return;
  state.heap.push_back(
      {static_cast<std::uint64_t>(merge->rank) << 32 | static_cast<std::uint32_t>(position),
       merge->id});
}

// O(n log n) in the length of the word: a heap of candidates over a linked list of symbols. A
// candidate whose symbols have changed since is skipped.
void Bpe::merge_symbols(BpeState& state) const {
  auto& symbols = state.symbols;
  auto& heap = state.heap;
  const auto later = [](const BpeState::Candidate& a, const BpeState::Candidate& b) {
    return a.order > b.order;
  };
  const auto push = [&](std::int32_t position) {
    const std::size_t size = heap.size();
    push_candidate(state, position);
    if (heap.size() > size) std::push_heap(heap.begin(), heap.end(), later);
  };
  heap.clear();
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    push_candidate(state, static_cast<std::int32_t>(i));
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const BpeState::Candidate candidate = heap.back();
    heap.pop_back();
    const auto position = static_cast<std::int32_t>(candidate.order & 0xFFFFFFFF);
    BpeState::Symbol& left = symbols[position];
    if (left.id < 0 || left.next < 0) continue;
    BpeState::Symbol& right = symbols[left.next];
    const Merge* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->id != candidate.id) continue;
    left.id = merge->id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[left.next].previous = position;
    if (left.previous >= 0) push(left.previous);
    push(position);
  }
}

void Bpe::encode(std::string_view word, BpeState& state, std::vector<std::int32_t>& ids) const {
  // Longer words seldom come twice; the bound on their number keeps the cache within megabytes.
  constexpr std::size_t kLongestCached = 64, kMostCached = 1 << 16;
  if (word.empty()) return;
  if (word.size() > INT32_MAX) throw Error("[tokenizer] a word of more than 2 GiB");
  if (ignore_merges_) {
    if (const auto id = vocabulary_.id_of(word)) return ids.push_back(*id);
  }
  const bool cacheable = word.size() <= kLongestCached;
  if (cacheable) {
    if (const auto found = state.words.find(word); found != state.words.end()) {
      const auto first = state.cached_ids.begin();
      ids.insert(ids.end(), first + static_cast<std::ptrdiff_t>(found->second.begin),
                 first + static_cast<std::ptrdiff_t>(found->second.end));
      return;
    }
  }
  start_symbols(word, state.symbols);
  merge_symbols(state);
  const std::size_t begin = ids.size();
  for (const BpeState::Symbol& symbol : state.symbols) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
  if (cacheable && state.words.size() < kMostCached) {
    const std::size_t cached = state.cached_ids.size();
    state.cached_ids.insert(state.cached_ids.end(),
                            ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end());
    state.words.emplace(word, BpeState::Cached{cached, state.cached_ids.size()});
  }
}

}  // namespace lowp::tokenizer
