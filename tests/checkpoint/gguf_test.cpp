#include "checkpoint/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "gguf_bytes.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using Type = GgufValueType;

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ8_0 = 8;

// Every value type, two tensors.
GgufBytes valid_file(std::uint32_t version = 3) {
  GgufBytes file;
  file.header(2, 15, version);
  file.key("u8", Type::kUint8).put<std::uint8_t>(200);
  file.key("i8", Type::kInt8).put<std::int8_t>(-100);
  file.key("u16", Type::kUint16).put<std::uint16_t>(60000);
  file.key("i16", Type::kInt16).put<std::int16_t>(-30000);
  file.key("u32", Type::kUint32).put<std::uint32_t>(4000000000U);
  file.key("i32", Type::kInt32).put<std::int32_t>(-2000000000);
  file.key("f32", Type::kFloat32).put<float>(1e-5F);
  file.key("bool", Type::kBool).put<std::uint8_t>(1);
  file.key("string", Type::kString).string("h\xC3\xA9llo");
  file.key("u64", Type::kUint64).put<std::uint64_t>(1ULL << 63);
  file.key("i64", Type::kInt64).put<std::int64_t>(-(1LL << 62));
  file.key("f64", Type::kFloat64).put<double>(0.1);
  file.key("strings", Type::kArray).put(Type::kString).put<std::uint64_t>(2).string("a").string("");
  file.key("nested", Type::kArray).put(Type::kArray).put<std::uint64_t>(2);
  file.put(Type::kInt32).put<std::uint64_t>(2).put<std::int32_t>(1).put<std::int32_t>(2);
  file.put(Type::kBool).put<std::uint64_t>(1).put<std::uint8_t>(0);
  file.key("none", Type::kArray).put(Type::kFloat32).put<std::uint64_t>(0);
  file.tensor("norm", {3}, kF32, 0).tensor("weight", {32, 2}, kQ8_0, 32);
  file.align(32);
  return file.put<float>(1).put<float>(2).put<float>(3).align(32).zeros(2 * 34);
}

// The message of the error that opening `bytes` gives; fails the test if there is none.
std::string error_of(const std::vector<char>& bytes) {
  TemporaryFile file;
  try {
    const Gguf gguf(file.write(bytes));
    ADD_FAILURE() << "opened";
    return "";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("[gguf]"), HasSubstr("lowp_gguf_")));
    return error.what();
  }
}

std::string error_of(GgufBytes& file) { return error_of(file.bytes()); }

// A header with one metadata entry, its value still to come.
GgufBytes one_key(Type type) {
  GgufBytes file;
  file.header(0, 1).key("key", type);
  return file;
}

TEST(Gguf, ReadsEveryValueType) {
  for (const std::uint32_t version : {2U, 3U}) {
    TemporaryFile file;
    const Gguf gguf(file.write(valid_file(version).bytes()));
    EXPECT_EQ(gguf.version(), version);
    EXPECT_EQ(gguf.alignment(), 32U);
    const ordered_json expected = ordered_json::parse(R"({
        "u8": 200, "i8": -100, "u16": 60000, "i16": -30000, "u32": 4000000000, "i32": -2000000000,
        "f32": 1e-05, "bool": true, "string": "héllo", "u64": 9223372036854775808,
        "i64": -4611686018427387904, "f64": 0.1, "strings": ["a", ""],
        "nested": [[1, 2], [false]], "none": []})");
    EXPECT_EQ(gguf.metadata().dump(), expected.dump());
    EXPECT_EQ(gguf.value("strings"), expected["strings"]);
    EXPECT_TRUE(gguf.contains("none"));
    EXPECT_FALSE(gguf.contains("nothing"));
    EXPECT_EQ(gguf.entries()[12].element_type, Type::kString);
    EXPECT_EQ(gguf.entries()[12].element_count, 2U);
  }
}

TEST(Gguf, FindsTensors) {
  TemporaryFile file;
  const Gguf gguf(file.write(valid_file().bytes()));
  ASSERT_EQ(gguf.tensors().size(), 2U);
  const GgufTensor* weight = gguf.find("weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->type, GgufType::kQ8_0);
  EXPECT_THAT(weight->shape, testing::ElementsAre(2, 32));  // outermost first
  EXPECT_EQ(weight->element_count(), 64);
  EXPECT_EQ(weight->data.size(), 2U * 34);
  const GgufTensor* norm = gguf.find("norm");
  ASSERT_NE(norm, nullptr);
  float values[3];
  std::memcpy(values, norm->data.data(), sizeof(values));
  EXPECT_THAT(values, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(gguf.find("nothing"), nullptr);
}

TEST(Gguf, StaysValidWhenMoved) {
  TemporaryFile file;
  Gguf first(file.write(valid_file().bytes()));
  const Gguf gguf = std::move(first);
  EXPECT_EQ(gguf.find("norm"), gguf.tensors().data());
  EXPECT_EQ(gguf.value("u8"), 200);
}

TEST(Gguf, MissingKeyIsNamed) {
  TemporaryFile file;
  const Gguf gguf(file.write(valid_file().bytes()));
  EXPECT_THAT([&] { gguf.value("llama.block_count"); },
              testing::ThrowsMessage<Error>(HasSubstr("'llama.block_count' is missing")));
}

TEST(Gguf, EveryTruncationIsAnError) {
  const std::vector<char> bytes = valid_file().bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    TemporaryFile file;
    EXPECT_THROW(Gguf(file.write(bytes.data(), size)), Error) << size;
  }
}

// Whatever a byte of the header becomes, the file opens or gives a lowp::Error: nothing crashes,
// and what opens can be read to the end.
TEST(Gguf, EveryCorruptByteIsHandled) {
  const std::vector<char> bytes = valid_file().bytes();
  const std::size_t header = bytes.size() - 2 * 34 - 32;
  int opened = 0;
  for (std::size_t i = 0; i < header; ++i) {
    for (const int value : {0x00, 0xFF, bytes[i] ^ 0x80, bytes[i] + 1}) {
      std::vector<char> corrupt = bytes;
      corrupt[i] = static_cast<char>(value);
      TemporaryFile file;
      try {
        const Gguf gguf(file.write(corrupt));
        static_cast<void>(
            gguf.metadata().dump(-1, ' ', false, ordered_json::error_handler_t::strict));
        std::size_t sum = 0;
        for (const GgufTensor& tensor : gguf.tensors()) {
          for (const std::byte byte : tensor.data) sum += static_cast<std::size_t>(byte);
        }
        EXPECT_GE(sum, 0U);
        ++opened;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(opened, 0);
}

TEST(GgufErrors, MagicAndVersion) {
  std::vector<char> bytes = valid_file().bytes();
  bytes[0] = 'X';
  EXPECT_THAT(error_of(bytes), HasSubstr("magic is 0x46554758"));
  EXPECT_THAT(error_of(valid_file(1).bytes()), HasSubstr("version is 1, expected 2 or 3"));
  EXPECT_THAT(error_of(valid_file(4).bytes()), HasSubstr("version is 4"));
  EXPECT_THAT(error_of(valid_file(0x03000000).bytes()), HasSubstr("big-endian"));
  EXPECT_THAT(error_of(std::vector<char>{}), HasSubstr("magic needs 4 bytes"));
}

TEST(GgufErrors, CountsBeyondTheFile) {
  GgufBytes tensors;
  tensors.header(std::numeric_limits<std::uint64_t>::max(), 0).zeros(100);
  EXPECT_THAT(error_of(tensors), HasSubstr("tensor count is 18446744073709551615"));
  GgufBytes entries;
  entries.header(0, 1ULL << 40).zeros(100);
  EXPECT_THAT(error_of(entries), HasSubstr("metadata count is 1099511627776"));
}

TEST(GgufErrors, Strings) {
  GgufBytes long_key;
  long_key.header(0, 1).put(std::numeric_limits<std::uint64_t>::max()).zeros(64);
  EXPECT_THAT(error_of(long_key), AllOf(HasSubstr("metadata 0"), HasSubstr("key has length")));
  GgufBytes empty_key;
  empty_key.header(0, 1).key("", Type::kUint8).zeros(1);
  EXPECT_THAT(error_of(empty_key), HasSubstr("key is empty"));
  // Stray continuation, overlong, surrogate, beyond U+10FFFF, cut short.
  for (const char* text : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                           "\xF8\x88\x80\x80\x80", "ab\xE2\x82"}) {
    EXPECT_THAT(error_of(one_key(Type::kString).string(text)),
                AllOf(HasSubstr("'key'"), HasSubstr("not UTF-8")));
  }
}

TEST(GgufErrors, NamesAreShownWithoutControlCharacters) {
  GgufBytes file;
  file.header(0, 1).key("\x1B[2J", Type::kBool).put<std::uint8_t>(7);
  EXPECT_THAT(error_of(file), HasSubstr("metadata 0 '\\x1b[2J': bool is 7, expected 0 or 1"));
}

TEST(GgufErrors, Values) {
  EXPECT_THAT(error_of(one_key(static_cast<Type>(13)).zeros(32)),
              HasSubstr("value type is 13, expected 0 to 12"));
  EXPECT_THAT(error_of(one_key(Type::kArray).put<std::uint32_t>(99).zeros(32)),
              HasSubstr("array element type is 99"));
  EXPECT_THAT(error_of(one_key(Type::kArray).put(Type::kFloat64).put(1ULL << 61).zeros(32)),
              HasSubstr("array length is 2305843009213693952"));
  GgufBytes deep = one_key(Type::kArray);
  for (int i = 0; i < 5; ++i) deep.put(Type::kArray).put<std::uint64_t>(1);
  EXPECT_THAT(error_of(deep.zeros(16)), HasSubstr("nested more than 4 deep"));
}

TEST(GgufErrors, DuplicateNames) {
  GgufBytes keys;
  keys.header(0, 2).key("a", Type::kUint8).zeros(1).key("a", Type::kUint8).zeros(1);
  EXPECT_THAT(error_of(keys), HasSubstr("metadata 1 'a': key occurs twice"));
  GgufBytes tensors;
  tensors.header(2, 0).tensor("t", {1}, kF32, 0).tensor("t", {1}, kF32, 32).align(32).zeros(36);
  EXPECT_THAT(error_of(tensors), HasSubstr("tensor 1 't': name occurs twice"));
}

TEST(GgufErrors, Alignment) {
  for (const std::uint32_t alignment : {0U, 24U}) {
    GgufBytes file;
    file.header(0, 1).key("general.alignment", Type::kUint32).put(alignment);
    EXPECT_THAT(error_of(file), HasSubstr("expected a power of two"));
  }
  GgufBytes wrong_type;
  wrong_type.header(0, 1).key("general.alignment", Type::kUint64).put<std::uint64_t>(32);
  EXPECT_THAT(error_of(wrong_type), HasSubstr("type is u64, expected u32"));
}

TEST(Gguf, OtherAlignmentsAreFollowed) {
  for (const std::uint32_t alignment : {1U, 4096U}) {
    GgufBytes bytes;
    bytes.header(1, 1).key("general.alignment", Type::kUint32).put(alignment);
    bytes.tensor("t", {1}, kF32, 0).align(alignment).put<float>(5);
    TemporaryFile file;
    const Gguf gguf(file.write(bytes.bytes()));
    float value = 0;
    std::memcpy(&value, gguf.tensors()[0].data.data(), sizeof(value));
    EXPECT_EQ(value, 5) << alignment;
  }
}

std::string tensor_error(const std::vector<std::int64_t>& dims, std::uint32_t type,
                         std::uint64_t offset) {
  GgufBytes file;
  file.header(1, 0).tensor("t", dims, type, offset).align(32).zeros(64);
  return error_of(file);
}

TEST(GgufErrors, Tensors) {
  EXPECT_THAT(tensor_error({1, 1, 1, 1, 1}, kF32, 0), HasSubstr("dimension count is 5"));
  EXPECT_THAT(tensor_error({4, 0}, kF32, 0), HasSubstr("dimension 1 is 0, expected 1 or more"));
  EXPECT_THAT(tensor_error({-4}, kF32, 0), HasSubstr("dimension 0 is -4"));
  EXPECT_THAT(tensor_error({1LL << 40, 1LL << 40}, kF32, 0), HasSubstr("overflows"));
  EXPECT_THAT(tensor_error({std::numeric_limits<std::int64_t>::max()}, kF32, 0),
              HasSubstr("overflow"));
  for (const std::uint32_t id : {4U, 5U, 31U, 99U, 0xFFFFFFFFU}) {
    EXPECT_THAT(tensor_error({32}, id, 0), HasSubstr("expected a type id of ggml"));
  }
  EXPECT_THAT(tensor_error({33}, kQ8_0, 0), HasSubstr("rows of 33 elements do not divide"));
  EXPECT_THAT(tensor_error({4}, kF32, 7), HasSubstr("offset is 7, expected a multiple"));
  EXPECT_THAT(tensor_error({4}, kF32, 64), HasSubstr("data section has 64"));
  EXPECT_THAT(tensor_error({17}, kF32, 0), HasSubstr("with 68 bytes"));
  EXPECT_THAT(tensor_error({4}, kF32, ~std::uint64_t{31}), HasSubstr("data section has 64"));
}

TEST(GgufErrors, OverlappingTensors) {
  GgufBytes file;
  file.header(2, 0).tensor("b", {4}, kF32, 32).tensor("a", {16}, kF32, 0).align(32).zeros(64);
  EXPECT_THAT(error_of(file), HasSubstr("tensor 0 'b': offset is 32, but tensor 'a' ends at 64"));
}

TEST(GgufErrors, MissingFileAndDirectory) {
  EXPECT_THROW(Gguf("/nonexistent/model.gguf"), Error);
  EXPECT_THROW(Gguf("/tmp"), Error);
}

}  // namespace
}  // namespace lowp::checkpoint
