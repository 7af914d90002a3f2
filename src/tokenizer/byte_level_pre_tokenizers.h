#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lowp::tokenizer {

// What a byte-level tokenizer of GGUF does before its merges.
struct ByteLevelRecipe {
  nlohmann::ordered_json normalizer;     // as in tokenizer.json; null if there is none
  nlohmann::ordered_json pre_tokenizer;  // as in tokenizer.json
  bool ignore_merges = false;            // a word that is a token is not merged up from bytes
  bool adds_bos = false;                 // where tokenizer.ggml.add_bos_token is absent
};

// The recipe that llama.cpp calls `name` in tokenizer.ggml.pre; nothing if it is not known.
std::optional<ByteLevelRecipe> byte_level_recipe(std::string_view name);

// The known names, for a message.
std::string byte_level_recipe_names();

}  // namespace lowp::tokenizer
