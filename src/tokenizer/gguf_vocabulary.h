#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lowp::tokenizer {

// The text of two files of a Hugging Face directory.
struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
};

// Rebuilds the tokenizer from the keys `tokenizer.*` of a GGUF file (`metadata`: key to value, with
// arrays as JSON arrays), so that AutoTokenizer and Tokenizer::load read it. tokenizer.ggml.model
// is "gpt2" (byte-level BPE; tokenizer.ggml.pre names the pre-tokenizer) or "llama" (SentencePiece
// BPE with byte fallback; merges come from the file or from the scores). Throws lowp::Error that
// names the key.
TokenizerFiles tokenizer_from_gguf(const nlohmann::ordered_json& metadata);

}  // namespace lowp::tokenizer
