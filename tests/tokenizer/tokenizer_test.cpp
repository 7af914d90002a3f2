#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>

#include <thread>

#include "lowp/error.h"
#include "small_tokenizer.h"

namespace lowp::tokenizer {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// Sets the value at a JSON pointer; "no error" if the file is taken all the same.
std::string error_with(const char* pointer, json value) {
  json root = small_tokenizer();
  root[json::json_pointer(pointer)] = std::move(value);
  try {
    load_json(root.dump());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tokenizer, MergesByRank) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  EXPECT_EQ(tokenizer.vocabulary_size(), 268);
  // "\u2581 a b c": a+b comes first, then ab+c, then \u2581+abc.
  EXPECT_THAT(tokenizer.encode("abc", false), ElementsAre(266));
  EXPECT_THAT(tokenizer.encode("abc b", true), ElementsAre(1, 266, 262, 260));
  EXPECT_EQ(tokenizer.decode({1, 266, 262, 260}, true), "abc b");
  EXPECT_EQ(tokenizer.decode({1, 266, 2}, false), "<s> abc</s>");
}

TEST(Tokenizer, UnknownCharactersBecomeBytes) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  EXPECT_THAT(tokenizer.encode("\u00E9", false), ElementsAre(262, 3 + 0xC3, 3 + 0xA9));
  EXPECT_EQ(tokenizer.decode({3 + 0xC3, 3 + 0xA9}, false), "\u00E9");
  EXPECT_EQ(tokenizer.decode({3 + 0xC3}, false), "\uFFFD");
}

TEST(Tokenizer, SpecialTokensInTheText) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  EXPECT_THAT(tokenizer.encode("a</s>b", false), ElementsAre(265, 2, 262, 260));
  EXPECT_THAT(tokenizer.encode("", true), ElementsAre(1));
  EXPECT_THAT(tokenizer.encode("", false), ElementsAre());
}

TEST(Tokenizer, LooksTokensUp) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  EXPECT_EQ(tokenizer.token_to_id("</s>"), 2);
  EXPECT_EQ(tokenizer.token_to_id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(264), "abc");
  EXPECT_THROW(tokenizer.id_to_token(268), Error);
  EXPECT_THROW(tokenizer.id_to_token(-1), Error);
  EXPECT_EQ(tokenizer.decode({264, 9999, -5}, false), "abc");
}

TEST(Tokenizer, TextThatIsNotUtf8) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  try {
    tokenizer.encode("ab\xFF", false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("not UTF-8 at byte 2 (0xFF)"));
  }
}

TEST(Tokenizer, ManyThreadsAtOnce) {
  const Tokenizer tokenizer = load_json(small_tokenizer().dump());
  const std::string text = "abc 12 \u00E9 cab bca";
  const auto expected = tokenizer.encode(text, true);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) wrong += tokenizer.encode(text, true) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(TokenizerErrors, NameTheField) {
  EXPECT_THAT(error_with("/pre_tokenizer/pretokenizers/0/type", "Bert"),
              HasSubstr("tokenizer.json: pre_tokenizer.pretokenizers[0].type is \"Bert\""));
  EXPECT_THAT(error_with("/pre_tokenizer/pretokenizers/0/behavior", "Merged"),
              HasSubstr("pretokenizers[0].behavior is \"Merged\", expected Removed"));
  EXPECT_THAT(error_with("/pre_tokenizer/pretokenizers/0/pattern/Regex", "(?<a>b)"),
              HasSubstr("pattern.Regex cannot be used"));
  EXPECT_THAT(error_with("/pre_tokenizer/pretokenizers/1/extra", 1),
              HasSubstr("has the field \"extra\", which is not known"));
  EXPECT_THAT(error_with("/normalizer/normalizers/0/type", "Nmt"), HasSubstr("expected NFC"));
  EXPECT_THAT(error_with("/normalizer/normalizers/1/pattern/String", ""), HasSubstr("is empty"));
  EXPECT_THAT(error_with("/decoder/decoders/0/type", "CTC"), HasSubstr("decoder.decoders[0].type"));
  EXPECT_THAT(error_with("/decoder/decoders/3/start", -1), HasSubstr("is -1, expected an integer"));
  EXPECT_THAT(error_with("/post_processor/type", "BertProcessing"),
              HasSubstr("post_processor.type is \"BertProcessing\""));
  EXPECT_THAT(error_with("/post_processor/single/0/SpecialToken/id", "<bos>"),
              HasSubstr("post_processor.special_tokens has no field \"<bos>\""));
  EXPECT_THAT(error_with("/version", "2.0"), HasSubstr("version is \"2.0\", expected 1.0"));
  EXPECT_THAT(error_with("/surprise", 1), HasSubstr("the file has the field \"surprise\""));
}

TEST(TokenizerErrors, OfTheModel) {
  EXPECT_THAT(error_with("/model/type", "Unigram"), HasSubstr("model.type is \"Unigram\""));
  EXPECT_THAT(error_with("/model/dropout", 0.1), HasSubstr("model.dropout is not supported"));
  EXPECT_THAT(error_with("/model/end_of_word_suffix", "</w>"), HasSubstr("is not supported"));
  EXPECT_THAT(error_with("/model/unk_token", "<none>"), HasSubstr("which vocab lacks"));
  EXPECT_THAT(error_with("/model/vocab/a", -1), HasSubstr("model.vocab.a is -1, expected"));
  EXPECT_THAT(error_with("/model/vocab/a", 1e12), HasSubstr("expected an integer from 0"));
  EXPECT_THAT(error_with("/model/vocab/a", 18446744073709551615u),
              HasSubstr("expected an integer"));
  EXPECT_THAT(error_with("/model/vocab/a", 260), HasSubstr("260, the id of"));
  EXPECT_THAT(error_with("/model/vocab", json::array()), HasSubstr("model.vocab is not an object"));
  EXPECT_THAT(error_with("/model/merges/0", "a z"), HasSubstr("model.merges[0] needs \"z\""));
  EXPECT_THAT(error_with("/model/merges/0", "c a"), HasSubstr("model.merges[0] needs \"ca\""));
  EXPECT_THAT(error_with("/model/merges/1", "a b c"), HasSubstr("model.merges[1] is not a merge"));
  EXPECT_THAT(error_with("/model/merges/1", {"a"}), HasSubstr("model.merges[1] is not a merge"));
  EXPECT_THAT(error_with("/model/merges", nullptr), HasSubstr("model.merges is not an array"));
}

TEST(TokenizerErrors, OfAddedTokens) {
  EXPECT_THAT(error_with("/added_tokens/1/id", 7), HasSubstr("but it is 1 in model.vocab"));
  EXPECT_THAT(error_with("/added_tokens/1/content", "<new>"), HasSubstr("that is \"<s>\" in"));
  EXPECT_THAT(error_with("/added_tokens/1/content", ""), HasSubstr("content is empty"));
  EXPECT_THAT(error_with("/added_tokens/1/id", 1u << 30), HasSubstr("expected an integer from 0"));
  EXPECT_THAT(error_with("/added_tokens/1/content", "<unk>"), HasSubstr("but it is 0"));
}

TEST(TokenizerErrors, OfTheFile) {
  EXPECT_THROW(load_json(""), Error);
  EXPECT_THROW(load_json("{"), Error);
  EXPECT_THROW(load_json("[]"), Error);
  EXPECT_THROW(load_json("{\"model\": \"\xFF\"}"), Error);
  EXPECT_THROW(load_json(std::string(100'000, '[')), Error);
  try {
    Tokenizer::load("/nowhere");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere has neither tokenizer.json nor tokenizer.model"));
  }
}

TEST(TokenizerErrors, DeepNesting) {
  json nested = {{"type", "NFC"}};
  for (int i = 0; i < 100; ++i) {
    nested = {{"type", "Sequence"}, {"normalizers", json::array({nested})}};
  }
  EXPECT_THAT(error_with("/normalizer", nested), HasSubstr("is nested too deep"));
}

}  // namespace
}  // namespace lowp::tokenizer
