#include "tokenizer/decoder.h"

#include <fmt/format.h>

#include "tokenizer/byte_fallback.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/metaspace.h"
#include "tokenizer/pattern.h"
#include "tokenizer/utf8.h"

namespace lowp::tokenizer {
namespace {

using Tokens = std::vector<std::string>;
using Step = std::function<void(Tokens&)>;

std::string join(const Tokens& tokens, std::string_view between) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += between;
    text += tokens[i];
  }
  return text;
}

Step byte_level_step(const JsonField& field) {
  field.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  return [](Tokens& tokens) {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of(token);
    tokens = {replace_invalid_utf8(bytes)};
  };
}

Step fuse_step(const JsonField& field) {
  field.allow_only({"type"});
  return [](Tokens& tokens) { tokens = {join(tokens, "")}; };
}

Step replace_step(const JsonField& field) {
  field.allow_only({"type", "pattern", "content"});
  return [pattern = Pattern(field.at("pattern")),
          content = field.at("content").string()](Tokens& tokens) {
    for (std::string& token : tokens) token = pattern.replace_all(token, content);
  };
}

// Runs of byte tokens become text if they are UTF-8, else one U+FFFD a byte.
Step byte_fallback_step(const JsonField& field) {
  field.allow_only({"type"});
  return [](Tokens& tokens) {
    Tokens out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (find_invalid_utf8(bytes) == std::string::npos) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\uFFFD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const auto byte = fallback_byte(token)) {
        bytes += *byte;
      } else {
        flush();
        out.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(out);
  };
}

Step strip_step(const JsonField& field) {
  field.allow_only({"type", "content", "start", "stop"});
  constexpr std::int64_t kMost = 1 << 20;
  const std::string content = field.at("content").string();
  if (content.empty()) field.at("content").fail("is empty");
  return [content, start = field.at("start").integer(0, kMost),
          stop = field.at("stop").integer(0, kMost)](Tokens& tokens) {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (std::int64_t i = 0; i < start && rest.starts_with(content); ++i) {
        rest.remove_prefix(content.size());
      }
      for (std::int64_t i = 0; i < stop && rest.ends_with(content); ++i) {
        rest.remove_suffix(content.size());
      }
      token = std::string(rest);
    }
  };
}

Step metaspace_step(const JsonField& field) {
  return [metaspace = read_metaspace(field)](Tokens& tokens) {
    const std::string& mark = metaspace.replacement;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      // Every mark of the first token was put there by the pre-tokenizer.
      const bool drop = i == 0 && metaspace.prepend != Metaspace::Prepend::kNever;
      std::string text;
      for (std::size_t at = 0; at < tokens[i].size();) {
        if (tokens[i].compare(at, mark.size(), mark) == 0) {
          if (!drop) text += ' ';
          at += mark.size();
        } else {
          text += tokens[i][at++];
        }
      }
      tokens[i] = std::move(text);
    }
  };
}

void append_steps(const JsonField& field, std::vector<Step>& steps, int depth) {
  constexpr int kDeepest = 16;
  const std::string type = field.type();
  if (type == "Sequence") {
    if (depth == kDeepest) field.fail("is nested too deep");
    field.allow_only({"type", "decoders"});
    for (const JsonField& part : field.at("decoders").elements()) {
      append_steps(part, steps, depth + 1);
    }
  } else if (type == "ByteLevel") {
    steps.push_back(byte_level_step(field));
  } else if (type == "Replace") {
    steps.push_back(replace_step(field));
  } else if (type == "ByteFallback") {
    steps.push_back(byte_fallback_step(field));
  } else if (type == "Fuse") {
    steps.push_back(fuse_step(field));
  } else if (type == "Strip") {
    steps.push_back(strip_step(field));
  } else if (type == "Metaspace") {
    steps.push_back(metaspace_step(field));
  } else {
    field.at("type").fail(
        fmt::format("is \"{}\", expected ByteLevel, Replace, ByteFallback, Fuse, "
                    "Strip, Metaspace or Sequence",
                    type));
  }
}

}  // namespace

Decoder::Decoder(const JsonField& field) : joins_with_space_(false) {
  append_steps(field, steps_, 0);
}

std::string Decoder::operator()(std::vector<std::string> tokens) const {
  for (const auto& step : steps_) step(tokens);
  return join(tokens, joins_with_space_ ? " " : "");
}

}  // namespace lowp::tokenizer
