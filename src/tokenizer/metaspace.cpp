#include "tokenizer/metaspace.h"

#include <fmt/format.h>

#include "tokenizer/utf8.h"

namespace lowp::tokenizer {
namespace {

Metaspace::Prepend read_prepend(const JsonField& field) {
  const std::string scheme = field.string_or("prepend_scheme", "always");
  if (scheme != "first" && scheme != "never" && scheme != "always") {
    field.at("prepend_scheme")
        .fail(fmt::format("is \"{}\", expected first, never or always", scheme));
  }
  // Older files say add_prefix_space instead.
  if (!field.boolean_or("add_prefix_space", true)) {
    if (field.find("prepend_scheme") && scheme != "never") {
      field.at("add_prefix_space").fail(fmt::format("contradicts prepend_scheme {}", scheme));
    }
    return Metaspace::Prepend::kNever;
  }
  return scheme == "first"   ? Metaspace::Prepend::kFirst
         : scheme == "never" ? Metaspace::Prepend::kNever
                             : Metaspace::Prepend::kAlways;
}

}  // namespace

Metaspace read_metaspace(const JsonField& field) {
  field.allow_only(
      {"type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"});
  Metaspace metaspace{field.at("replacement").string(), read_prepend(field),
                      field.boolean_or("split", true)};
  std::size_t end = 0;
  if (!metaspace.replacement.empty()) next_code_point(metaspace.replacement, end);
  if (end == 0 || end != metaspace.replacement.size()) {
    field.at("replacement").fail("must be one character");
  }
  return metaspace;
}

}  // namespace lowp::tokenizer
