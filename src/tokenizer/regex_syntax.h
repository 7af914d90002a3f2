#pragma once

#include <string>
#include <string_view>

namespace lowp::tokenizer {

// Rewrites a pattern of Oniguruma's Ruby syntax, which tokenizer.json uses, so that PCRE2 (UTF,
// UCP) matches the same: \s, \w, \b, \h and \v differ, and so does \p{Script}. Throws lowp::Error
// for what has no equal there (set operations in [...], possessive intervals, named groups).
std::string pcre2_from_oniguruma(std::string_view pattern);

}  // namespace lowp::tokenizer
