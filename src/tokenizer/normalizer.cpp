#include "tokenizer/normalizer.h"

#include <fmt/format.h>

#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

namespace lowp::tokenizer {
namespace {

using Step = std::function<std::string(std::string)>;

Step unicode_step(const JsonField& field, NormalForm form) {
  field.allow_only({"type"});
  return [form](const std::string& text) { return normalized(text, form); };
}

Step lowercase_step(const JsonField& field) {
  field.allow_only({"type"});
  return [](const std::string& text) { return lowercase(text); };
}

Step prepend_step(const JsonField& field) {
  field.allow_only({"type", "prepend"});
  return [prefix = field.at("prepend").string()](std::string text) {
    if (!text.empty()) text.insert(0, prefix);
    return text;
  };
}

Step replace_step(const JsonField& field) {
  field.allow_only({"type", "pattern", "content"});
  return [pattern = Pattern(field.at("pattern")), content = field.at("content").string()](
             const std::string& text) { return pattern.replace_all(text, content); };
}

Step strip_step(const JsonField& field) {
  field.allow_only({"type", "strip_left", "strip_right"});
  return [left = field.at("strip_left").boolean(),
          right = field.at("strip_right").boolean()](std::string text) {
    if (right) text.resize(text.size() - trailing_space(text));
    if (left) text.erase(0, leading_space(text));
    return text;
  };
}

void append_steps(const JsonField& field, std::vector<Step>& steps, int depth) {
  constexpr int kDeepest = 16;
  const std::string type = field.type();
  if (type == "Sequence") {
    if (depth == kDeepest) field.fail("is nested too deep");
    field.allow_only({"type", "normalizers"});
    for (const JsonField& part : field.at("normalizers").elements()) {
      append_steps(part, steps, depth + 1);
    }
  } else if (type == "NFC") {
    steps.push_back(unicode_step(field, NormalForm::kNfc));
  } else if (type == "NFD") {
    steps.push_back(unicode_step(field, NormalForm::kNfd));
  } else if (type == "NFKC") {
    steps.push_back(unicode_step(field, NormalForm::kNfkc));
  } else if (type == "NFKD") {
    steps.push_back(unicode_step(field, NormalForm::kNfkd));
  } else if (type == "Lowercase") {
    steps.push_back(lowercase_step(field));
  } else if (type == "Prepend") {
    steps.push_back(prepend_step(field));
  } else if (type == "Replace") {
    steps.push_back(replace_step(field));
  } else if (type == "Strip") {
    steps.push_back(strip_step(field));
  } else {
    field.at("type").fail(fmt::format(
        "is \"{}\", expected NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip or Sequence",
        type));
  }
}

}  // namespace

Normalizer::Normalizer(const JsonField& field) { append_steps(field, steps_, 0); }

std::string Normalizer::operator()(std::string text) const {
  for (const auto& step : steps_) text = step(std::move(text));
  return text;
}

}  // namespace lowp::tokenizer
