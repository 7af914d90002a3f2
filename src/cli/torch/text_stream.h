#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace lowp::cli {

// Tokens to text as they come. Text is held back while a character is incomplete: the bytes of one
// may be spread over several tokens.
class TextStream {
 public:
  // `prompt`: what a decoder needs to see before the first new token, for the spaces between words.
  TextStream(const tokenizer::Tokenizer& tokenizer, std::vector<std::int32_t> prompt);

  // The text that `token` completes; may be empty.
  std::string add(std::int32_t token);
  // What is still held back.
  std::string finish();

 private:
  std::string decode(std::size_t begin, std::size_t end) const;

  const tokenizer::Tokenizer& tokenizer_;
  std::vector<std::int32_t> tokens_;
  std::size_t context_begin_;  // tokens from here give the context of those not yet printed
  std::size_t printed_end_;
};

}  // namespace lowp::cli
