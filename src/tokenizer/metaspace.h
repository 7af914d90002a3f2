#pragma once

#include <cstdint>
#include <string>

#include "tokenizer/json_field.h"

namespace lowp::tokenizer {

// Fields of "Metaspace", pre-tokenizer and decoder: spaces become `replacement`, and one more is
// put before every piece, before the first, or nowhere.
struct Metaspace {
  enum class Prepend : std::uint8_t { kFirst, kNever, kAlways };

  std::string replacement;
  Prepend prepend;
  bool split;
};

Metaspace read_metaspace(const JsonField& field);

}  // namespace lowp::tokenizer
