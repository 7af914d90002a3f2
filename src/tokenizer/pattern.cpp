#include "tokenizer/pattern.h"

#include "lowp/error.h"

namespace lowp::tokenizer {
namespace {

std::variant<std::string, Regex> parse(const JsonField& field) {
  field.allow_only({"String", "Regex"});
  if (field.value().size() != 1) field.fail("must have one of \"String\" and \"Regex\"");
  if (const auto text = field.find("String")) {
    if (text->string().empty()) text->fail("is empty");
    return text->string();
  }
  const JsonField regex = field.at("Regex");
  try {
    return Regex(regex.string());
  } catch (const Error& error) {
    regex.fail(std::string("cannot be used: ") + error.what());
  }
}

void find_text(std::string_view text, std::string_view part, std::vector<Range>& matches) {
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) {
    matches.push_back({at, at + part.size()});
  }
}

}  // namespace

Pattern::Pattern(const JsonField& field) : pattern_(parse(field)) {}

void Pattern::find_all(std::string_view text, std::vector<Range>& matches) const {
  if (const auto* regex = std::get_if<Regex>(&pattern_)) {
    regex->find_all(text, matches);
  } else {
    find_text(text, std::get<std::string>(pattern_), matches);
  }
}

std::string Pattern::replace_all(std::string_view text, std::string_view content) const {
  std::vector<Range> matches;
  find_all(text, matches);
  std::string out;
  out.reserve(text.size());
  std::size_t done = 0;
  for (const Range& match : matches) {
    out += text.substr(done, match.begin - done);
    out += content;
    done = match.end;
  }
  return out += text.substr(done);
}

}  // namespace lowp::tokenizer
