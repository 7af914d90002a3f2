// Damaged files: each is read or refused with lowp::Error, and what is read can be used. Run under
// the preset `asan` this finds what ordinary tests do not.
#include <gtest/gtest.h>

#include <random>

#include "lowp/error.h"
#include "small_tokenizer.h"

namespace lowp::tokenizer {
namespace {

using nlohmann::json;

constexpr const char* kText = "abc <s> ab12 \u00E9\u6F22 c\n\n</s> ba";

bool survives(const TemporaryDirectory& directory) {
  try {
    const Tokenizer tokenizer = Tokenizer::load(directory.path());
    tokenizer.decode(tokenizer.encode(kText, true), false);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Every node of the document, as pointers.
void collect(const json& node, const json::json_pointer& at, std::vector<json::json_pointer>& all) {
  all.push_back(at);
  if (node.is_object()) {
    for (const auto& [key, value] : node.items()) collect(value, at / key, all);
  } else if (node.is_array()) {
    for (std::size_t i = 0; i < node.size(); ++i) collect(node[i], at / i, all);
  }
}

TEST(Malformed, AnyValueAnywhere) {
  const json good = small_tokenizer();
  std::vector<json::json_pointer> places;
  for (const auto& [key, value] : good.items()) {
    if (key != "model") collect(value, json::json_pointer("/" + key), places);
  }
  for (const auto& [key, value] : good["model"].items()) {
    places.push_back(json::json_pointer("/model/" + key));
  }
  places.push_back(json::json_pointer("/model/vocab/a"));
  places.push_back(json::json_pointer("/model/merges/2"));
  places.push_back(json::json_pointer("/model/merges/2/0"));
  const std::vector<json> values = {nullptr,
                                    true,
                                    -1,
                                    1e300,
                                    9223372036854775807,
                                    18446744073709551615u,
                                    "",
                                    "\u2581",
                                    "((",
                                    json::array(),
                                    json::object(),
                                    json::array({1, "a"}),
                                    {{"type", "Sequence"}},
                                    {{"String", "a"}},
                                    std::string(5000, 'a')};
  const TemporaryDirectory directory;
  int taken = 0;
  for (const auto& place : places) {
    for (const json& value : values) {
      json root = good;
      root[place] = value;
      directory.write("tokenizer.json", root.dump());
      taken += survives(directory);
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, static_cast<int>(places.size() * values.size() / 2));
}

TEST(Malformed, AnyByteAnywhere) {
  const std::string good = small_tokenizer().dump();
  const TemporaryDirectory directory;
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    if (i % 4 == 0) bad.resize(random() % bad.size());
    directory.write("tokenizer.json", bad);
    survives(directory);
  }
}

// A SentencePiece ModelProto written by hand: field 1 the pieces, field 2 the trainer's model_type.
std::string small_model() {
  const auto field = [](int number, const std::string& bytes) {
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) +
           bytes;
  };
  std::string model;
  float score = 0;
  const auto piece = [&](const std::string& text, char type) {
    std::string body = field(1, text) + '\x15';
    body.append(reinterpret_cast<const char*>(&score), 4);
    body += {'\x18', type};
    model += field(1, body);
    score -= 1;
  };
  piece("<unk>", 2);
  piece("<s>", 3);
  piece("</s>", 3);
  for (const char* text : {"\u2581", "a", "b", "c", "ab", "abc", "\u2581abc"}) piece(text, 1);
  return model + field(2, {'\x18', '\x02'});
}

TEST(Malformed, SentencePieceModel) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.model", small_model());
  const Tokenizer tokenizer = Tokenizer::load(directory.path());
  EXPECT_EQ(tokenizer.encode("abc", true), (std::vector<std::int32_t>{1, 9}));
  EXPECT_EQ(tokenizer.decode({1, 9}, true), "abc");
  EXPECT_EQ(tokenizer.encode("abc</s>", false), (std::vector<std::int32_t>{9, 2}));

  const std::string good = small_model();
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    if (i % 4 == 0) bad.resize(random() % bad.size());
    directory.write("tokenizer.model", bad);
    survives(directory);
  }
}

TEST(Malformed, SentencePieceConfig) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.model", small_model());
  for (const char* config :
       {R"({"bos_token": "<none>"})", R"({"bos_token": 5})", R"({"add_bos_token": "yes"})",
        R"({"added_tokens_decoder": {"x": {"content": "a"}}})", R"({"added_tokens_decoder": []})",
        R"({"added_tokens_decoder": {"99999999999": {"content": "new"}}})",
        R"({"added_tokens_decoder": {"4": {"content": "new"}}})",
        R"({"added_tokens_decoder": {"-1": {"content": "new"}}})",
        R"({"added_tokens_decoder": {"12": {"content": ""}}})", "[]", "{"}) {
    directory.write("tokenizer_config.json", config);
    EXPECT_FALSE(survives(directory)) << config;
  }
  directory.write("tokenizer_config.json", R"({"add_bos_token": false, "add_eos_token": true,
      "added_tokens_decoder": {"12": {"content": "<new>", "special": true}}, "other": 1})");
  EXPECT_EQ(Tokenizer::load(directory.path()).encode("abc<new>", true),
            (std::vector<std::int32_t>{9, 12, 2}));
}

}  // namespace
}  // namespace lowp::tokenizer
