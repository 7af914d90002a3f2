#include "tokenizer/pre_tokenizer.h"

#include <fmt/format.h>

#include <cstdint>

#include "tokenizer/byte_level.h"
#include "tokenizer/metaspace.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace lowp::tokenizer {
namespace {

using Step = std::function<void(Pieces&)>;

Behavior read_behavior(const JsonField& field) {
  const std::string name = field.string();
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  field.fail(
      fmt::format("is \"{}\", expected Removed, Isolated, MergedWithPrevious, "
                  "MergedWithNext or Contiguous",
                  name));
}

// Every code point with the property is a match of its own.
template <bool (*property)(std::uint32_t)>
void find_code_points(std::string_view piece, std::vector<Range>& matches) {
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t begin = at;
    if (property(next_code_point(piece, at))) matches.push_back({begin, at});
  }
}

// Runs of word characters, and runs of what is neither that nor space.
void find_words(std::string_view piece, std::vector<Range>& matches) {
  enum class Kind : std::uint8_t { kSpace, kWord, kOther };
  Kind previous = Kind::kSpace;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t begin = at;
    const std::uint32_t c = next_code_point(piece, at);
    const Kind kind = is_word(c) ? Kind::kWord : is_space(c) ? Kind::kSpace : Kind::kOther;
    if (kind != Kind::kSpace && kind == previous) {
      matches.back().end = at;
    } else if (kind != Kind::kSpace) {
      matches.push_back({begin, at});
    }
    previous = kind;
  }
}

Step byte_level_step(const JsonField& field) {
  field.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  const bool use_regex = field.boolean_or("use_regex", true);
  return [prefix = field.at("add_prefix_space").boolean(), use_regex,
          regex = Regex(kGpt2Pattern)](Pieces& pieces) {
    if (prefix) {
      rewrite(pieces, [](std::size_t, std::string_view piece, std::string& out) {
        if (!piece.starts_with(' ')) out += ' ';
        out += piece;
      });
    }
    if (use_regex) {
      const auto find = [&](std::string_view piece, std::vector<Range>& matches) {
        regex.find_all(piece, matches);
      };
      split(pieces, find, Behavior::kIsolated, false);
    }
    rewrite(pieces, [](std::size_t, std::string_view piece, std::string& out) {
      append_byte_level(piece, out);
    });
  };
}

Step split_step(const JsonField& field) {
  field.allow_only({"type", "pattern", "behavior", "invert"});
  return [pattern = Pattern(field.at("pattern")), behavior = read_behavior(field.at("behavior")),
          invert = field.at("invert").boolean()](Pieces& pieces) {
    const auto find = [&](std::string_view piece, std::vector<Range>& matches) {
      pattern.find_all(piece, matches);
    };
    split(pieces, find, behavior, invert);
  };
}

Step digits_step(const JsonField& field) {
  field.allow_only({"type", "individual_digits"});
  const auto behavior =
      field.at("individual_digits").boolean() ? Behavior::kIsolated : Behavior::kContiguous;
  return
      [behavior](Pieces& pieces) { split(pieces, find_code_points<is_numeric>, behavior, false); };
}

Step punctuation_step(const JsonField& field) {
  field.allow_only({"type", "behavior"});
  const auto behavior =
      field.find("behavior") ? read_behavior(field.at("behavior")) : Behavior::kIsolated;
  return [behavior](Pieces& pieces) {
    split(pieces, find_code_points<is_punctuation>, behavior, false);
  };
}

Step whitespace_step(const JsonField& field) {
  field.allow_only({"type"});
  return [](Pieces& pieces) { split(pieces, find_words, Behavior::kRemoved, true); };
}

Step whitespace_split_step(const JsonField& field) {
  field.allow_only({"type"});
  return
      [](Pieces& pieces) { split(pieces, find_code_points<is_space>, Behavior::kRemoved, false); };
}

void append_replaced(std::string_view piece, const std::string& replacement, std::string& out) {
  for (const char c : piece) {
    if (c == ' ') {
      out += replacement;
    } else {
      out += c;
    }
  }
}

Step metaspace_step(const JsonField& field) {
  return [metaspace = read_metaspace(field)](Pieces& pieces) {
    const std::string& mark = metaspace.replacement;
    rewrite(pieces, [&](std::size_t index, std::string_view piece, std::string& out) {
      const bool wanted =
          metaspace.prepend == Metaspace::Prepend::kAlways ||
          (metaspace.prepend == Metaspace::Prepend::kFirst && index == 0 && pieces.starts_input);
      if (wanted && !piece.starts_with(' ') && !piece.starts_with(mark)) out += mark;
      append_replaced(piece, mark, out);
    });
    if (!metaspace.split) return;
    const auto find = [&](std::string_view piece, std::vector<Range>& matches) {
      for (std::size_t at = piece.find(mark); at != piece.npos;
           at = piece.find(mark, at + mark.size())) {
        matches.push_back({at, at + mark.size()});
      }
    };
    split(pieces, find, Behavior::kMergedWithNext, false);
  };
}

void append_steps(const JsonField& field, std::vector<Step>& steps, int depth) {
  constexpr int kDeepest = 16;
  const std::string type = field.type();
  if (type == "Sequence") {
    if (depth == kDeepest) field.fail("is nested too deep");
    field.allow_only({"type", "pretokenizers"});
    for (const JsonField& part : field.at("pretokenizers").elements()) {
      append_steps(part, steps, depth + 1);
    }
  } else if (type == "ByteLevel") {
    steps.push_back(byte_level_step(field));
  } else if (type == "Split") {
    steps.push_back(split_step(field));
  } else if (type == "Digits") {
    steps.push_back(digits_step(field));
  } else if (type == "Punctuation") {
    steps.push_back(punctuation_step(field));
  } else if (type == "Whitespace") {
    steps.push_back(whitespace_step(field));
  } else if (type == "WhitespaceSplit") {
    steps.push_back(whitespace_split_step(field));
  } else if (type == "Metaspace") {
    steps.push_back(metaspace_step(field));
  } else {
    field.at("type").fail(
        fmt::format("is \"{}\", expected ByteLevel, Split, Digits, Punctuation, "
                    "Whitespace, WhitespaceSplit, Metaspace or Sequence",
                    type));
  }
}

}  // namespace

PreTokenizer::PreTokenizer(const JsonField& field) { append_steps(field, steps_, 0); }

void PreTokenizer::operator()(Pieces& pieces) const {
  for (const auto& step : steps_) step(pieces);
}

}  // namespace lowp::tokenizer
