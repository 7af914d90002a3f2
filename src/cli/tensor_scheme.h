// --tensor-scheme of `lowp quantize`, `eval` and `generate`.
#pragma once

#include <fmt/format.h>

#include <string>

#include "lowp/error.h"
#include "schemes/linear_names.h"

namespace lowp::cli {

struct TensorScheme {
  std::string pattern;  // regular expression, or `re:` and one, for the module's name
  std::string scheme;   // "W8A16", "W4A16:64"
};

// "EXPRESSION=SCHEME[:GROUP]". The last '=' divides: an expression may hold one, a scheme's name
// does not.
inline TensorScheme parse_tensor_scheme(const std::string& text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(
        fmt::format("[--tensor-scheme] bad rule, got '{}', expected EXPRESSION=SCHEME", text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

inline NamePattern pattern_of(const TensorScheme& rule) {
  return NamePattern(rule.pattern.starts_with("re:") ? rule.pattern : "re:" + rule.pattern);
}

}  // namespace lowp::cli
