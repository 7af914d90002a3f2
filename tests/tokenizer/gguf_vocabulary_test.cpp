#include "tokenizer/gguf_vocabulary.h"

#include <gmock/gmock.h>

#include "lowp/error.h"

namespace lowp::tokenizer {
namespace {

using nlohmann::ordered_json;

// Four control tokens, bytes "a", "b", "c" and what they merge to.
ordered_json byte_level_metadata() {
  return {{"general.architecture", "llama"},
          {"llama.context_length", 8192},
          {"tokenizer.ggml.model", "gpt2"},
          {"tokenizer.ggml.pre", "smollm"},
          {"tokenizer.ggml.tokens", {"<end>", "<start>", "a", "b", "c", "ab", "abc"}},
          {"tokenizer.ggml.token_type", {3, 3, 1, 1, 1, 1, 1}},
          {"tokenizer.ggml.merges", {"a b", "ab c"}},
          {"tokenizer.ggml.bos_token_id", 1},
          {"tokenizer.ggml.eos_token_id", 0},
          {"tokenizer.ggml.add_bos_token", false}};
}

ordered_json sentencepiece_metadata() {
  return {{"tokenizer.ggml.model", "llama"},
          {"tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "ab", "bb", "abb"}},
          {"tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1, 1, 1}},
          {"tokenizer.ggml.scores", {0, 0, 0, -3, -4, -1, -0.5, -2}},
          {"tokenizer.ggml.bos_token_id", 1},
          {"tokenizer.ggml.eos_token_id", 2},
          {"tokenizer.ggml.unknown_token_id", 0}};
}

ordered_json tokenizer_of(const ordered_json& metadata) {
  return ordered_json::parse(tokenizer_from_gguf(metadata).tokenizer_json);
}

std::string error_of(const ordered_json& metadata) {
  try {
    tokenizer_from_gguf(metadata);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(GgufVocabulary, SmollmSplitsDigitsThenBytes) {
  const ordered_json root = tokenizer_of(byte_level_metadata());
  EXPECT_EQ(root["pre_tokenizer"]["pretokenizers"][0]["type"], "Digits");
  EXPECT_EQ(root["pre_tokenizer"]["pretokenizers"][1]["use_regex"], true);
  EXPECT_EQ(root["model"]["vocab"]["abc"], 6);
  EXPECT_EQ(root["model"]["merges"], ordered_json::parse(R"([["a","b"],["ab","c"]])"));
  EXPECT_EQ(root["added_tokens"].size(), 2u);
  EXPECT_EQ(root["added_tokens"][1]["content"], "<start>");
  EXPECT_EQ(root["added_tokens"][1]["special"], true);
  EXPECT_EQ(root["post_processor"]["type"], "ByteLevel");
}

TEST(GgufVocabulary, ConfigNamesTheSpecialTokens) {
  ordered_json metadata = byte_level_metadata();
  metadata["tokenizer.chat_template"] = "{{ messages }}";
  const auto config = ordered_json::parse(tokenizer_from_gguf(metadata).tokenizer_config_json);
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(config["bos_token"], "<start>");
  EXPECT_EQ(config["eos_token"], "<end>");
  EXPECT_EQ(config["model_max_length"], 8192);
  EXPECT_EQ(config["chat_template"], "{{ messages }}");
  EXPECT_FALSE(config.contains("unk_token"));
}

TEST(GgufVocabulary, BosIsAddedWhereTheFlagOrTheFamilySaysSo) {
  ordered_json metadata = byte_level_metadata();
  metadata["tokenizer.ggml.add_bos_token"] = true;
  const ordered_json single = tokenizer_of(metadata)["post_processor"]["processors"][1]["single"];
  EXPECT_EQ(single[0]["SpecialToken"]["id"], "<start>");
  EXPECT_EQ(single[1]["Sequence"]["id"], "A");
  metadata.erase("tokenizer.ggml.add_bos_token");
  EXPECT_EQ(tokenizer_of(metadata)["post_processor"]["type"], "ByteLevel");
  metadata["tokenizer.ggml.pre"] = "llama-bpe";
  EXPECT_EQ(tokenizer_of(metadata)["post_processor"]["type"], "Sequence");
}

// Every cut of a token into two tokens, highest score of the whole first.
TEST(GgufVocabulary, MergesComeFromTheScores) {
  const ordered_json root = tokenizer_of(sentencepiece_metadata());
  EXPECT_EQ(root["model"]["merges"],
            ordered_json::parse(R"([["b","b"],["a","b"],["ab","b"],["a","bb"]])"));
  EXPECT_EQ(root["model"]["unk_token"], "<unk>");
  EXPECT_EQ(root["normalizer"]["normalizers"][0]["type"], "Prepend");
  EXPECT_EQ(root["post_processor"]["special_tokens"]["<s>"]["ids"], ordered_json::array({1}));
}

TEST(GgufVocabulary, NoSpacePrefixWhereTheFlagForbidsIt) {
  ordered_json metadata = sentencepiece_metadata();
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const ordered_json root = tokenizer_of(metadata);
  EXPECT_EQ(root["normalizer"]["normalizers"].size(), 1u);
  EXPECT_EQ(root["decoder"]["decoders"].size(), 3u);
}

TEST(GgufVocabulary, ErrorsNameTheKey) {
  using testing::HasSubstr;
  const auto with = [](const char* key, ordered_json value) {
    ordered_json metadata = byte_level_metadata();
    metadata[key] = std::move(value);
    return error_of(metadata);
  };
  EXPECT_THAT(with("tokenizer.ggml.model", "rwkv"),
              HasSubstr("tokenizer.ggml.model: got \"rwkv\""));
  EXPECT_THAT(with("tokenizer.ggml.pre", "unheard"), HasSubstr("expected one of default, gpt-2"));
  EXPECT_THAT(with("tokenizer.ggml.bos_token_id", 7), HasSubstr("got 7, expected a token below 7"));
  EXPECT_THAT(with("tokenizer.ggml.token_type", {1, 1}), HasSubstr("got 2 elements, expected 7"));
  EXPECT_THAT(with("tokenizer.ggml.merges", {"a"}), HasSubstr("element 0 is \"a\""));
  EXPECT_THAT(with("tokenizer.ggml.tokens", {"a", "b", "a"}), HasSubstr("token_type"));
  EXPECT_THAT(with("tokenizer.ggml.tokens", {"a", "b", "a", "c", "d", "e", "f"}),
              HasSubstr("elements 0 and 2 are both \"a\""));
  EXPECT_THAT(with("tokenizer.ggml.tokens", {"\xff", "b", "a", "c", "d", "e", "f"}),
              HasSubstr("not UTF-8"));
  ordered_json no_scores = sentencepiece_metadata();
  no_scores.erase("tokenizer.ggml.scores");
  EXPECT_THAT(error_of(no_scores), HasSubstr("tokenizer.ggml.scores: is missing"));
  EXPECT_THAT(error_of(ordered_json::object()), HasSubstr("tokenizer.ggml.model: is missing"));
}

}  // namespace
}  // namespace lowp::tokenizer
