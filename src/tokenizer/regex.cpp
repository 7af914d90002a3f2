#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "lowp/error.h"
#include "tokenizer/regex_syntax.h"
#include "tokenizer/utf8.h"

namespace lowp::tokenizer {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};

using Code = std::unique_ptr<pcre2_code, Free<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>>;

std::string message_of(int error) {
  char text[256];
  pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
  return text;
}

Code compile(const std::string& pattern) {
  // Oniguruma's Ruby syntax: ^ and $ match at every line, and only \n ends one.
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const std::string translated = pcre2_from_oniguruma(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context.get()));
  if (code == nullptr) {
    throw Error(fmt::format("[tokenizer] pattern \"{}\": {}", pattern, message_of(error)));
  }
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without JIT pcre2_match interprets
  return code;
}

}  // namespace

struct Regex::Compiled {
  Code code;
  std::string pattern;
};

namespace {

// One pass over a text. Most patterns live on the JIT's own 32 KiB of stack; the large one is made
// when it does not suffice.
class Matcher {
 public:
  Matcher(const pcre2_code* code, const std::string& pattern, std::string_view text)
      : code_(code),
        pattern_(pattern),
        text_(text),
        data_(pcre2_match_data_create_from_pattern(code, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context_.get(), UINT32_MAX);  // long texts take many steps
  }

  bool find(std::size_t from, Range& match) {
    int result = run(from);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && stack_ == nullptr) {
      constexpr std::size_t kFirst = 64 << 10, kLargest = 64 << 20;  // bytes
      stack_.reset(pcre2_jit_stack_create(kFirst, kLargest, nullptr));
      pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
      result = run(from);
    }
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) {
      throw Error(fmt::format("[tokenizer] pattern \"{}\" failed at byte {} of the text: {}",
                              pattern_, from, message_of(result)));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data_.get());
    match = {bounds[0], bounds[1]};
    return true;
  }

 private:
  int run(std::size_t from) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                       PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  const std::string& pattern_;
  std::string_view text_;
  MatchData data_;
  MatchContext context_;
  JitStack stack_;
};

}  // namespace

Regex::Regex(const std::string& pattern)
    : compiled_(std::make_shared<const Compiled>(Compiled{compile(pattern), pattern})) {}

void Regex::find_all(std::string_view text, std::vector<Range>& matches) const {
  Matcher matcher(compiled_->code.get(), compiled_->pattern, text);
  std::size_t from = 0, last_end = std::string_view::npos;
  Range match{};
  while (from <= text.size() && matcher.find(from, match)) {
    if (match.empty() && match.end == last_end) {  // would be found for ever
      if (from >= text.size()) break;
      next_code_point(text, from);
      continue;
    }
    matches.push_back(match);
    from = last_end = match.end;
  }
}

}  // namespace lowp::tokenizer
