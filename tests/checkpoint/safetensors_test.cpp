#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "checkpoint/model_files.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/safetensors_writer.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SafetensorsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("lowp_safetensors_" + std::to_string(::getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write_bytes(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  // A file with this header and `data_size` bytes of data.
  fs::path write_file(const std::string& header, std::size_t data_size) const {
    return write_bytes("file.safetensors", with_length(header) + std::string(data_size, '\1'));
  }

  static std::string with_length(const std::string& header) {
    const std::uint64_t length = header.size();
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    return bytes + header;
  }

  static std::string error_of(const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  fs::path folder_;
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST_F(SafetensorsTest, ReadsWhatItWrites) {
  const fs::path path = folder_ / "model.safetensors";
  SafetensorsWriter writer(path,
                           {{"b", DType::kU8, {3}},
                            {"a", DType::kF32, {2, 1}},
                            {"empty", DType::kBF16, {0, 7}},
                            {"scalar", DType::kI64, {}}},
                           {{"format", "pt"}, {"quote", "\"\n"}});
  writer.write("b", bytes_of("xyz"));
  writer.write_at("a", 4, bytes_of("BBBB"));
  writer.write_at("a", 0, bytes_of("AAAA"));
  writer.write("scalar", bytes_of("12345678"));
  EXPECT_FALSE(fs::exists(path));
  writer.commit();
  EXPECT_EQ(fs::file_size(path), writer.file_size());

  const Safetensors file(path);
  ASSERT_EQ(file.tensors().size(), 4U);
  // Widest dtype first, then by name.
  EXPECT_EQ(file.tensors()[0].name, "scalar");
  EXPECT_EQ(file.tensors()[1].name, "a");
  EXPECT_EQ(file.tensors()[2].name, "empty");
  EXPECT_EQ(file.tensors()[3].name, "b");
  EXPECT_EQ(file.find("a")->shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(std::memcmp(file.find("a")->data.data(), "AAAABBBB", 8), 0);
  EXPECT_EQ(file.find("empty")->data.size(), 0U);
  EXPECT_EQ(file.find("scalar")->element_count(), 1);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("quote"), "\"\n");
  const auto offset = reinterpret_cast<std::uintptr_t>(file.find("scalar")->data.data());
  EXPECT_EQ(offset % 8, 0U);
}

struct Hostile {
  const char* what;
  std::string header;
  std::size_t data_size;
  const char* message;
};

class HostileHeader : public SafetensorsTest, public testing::WithParamInterface<Hostile> {};

TEST_P(HostileHeader, IsRefusedByFileAndField) {
  const Hostile& hostile = GetParam();
  const fs::path path = write_file(hostile.header, hostile.data_size);
  const std::string error = error_of([&] { Safetensors{path}; });
  EXPECT_THAT(error, HasSubstr(hostile.message)) << hostile.what;
}

const std::string kOk = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";

INSTANTIATE_TEST_SUITE_P(
    Headers, HostileHeader,
    testing::Values(
        Hostile{"empty", "", 0, "does not start with '{'"},
        Hostile{"array", "[]", 0, "does not start with '{'"},
        Hostile{"leading space", " {}", 0, "does not start with '{'"},
        Hostile{"cut", kOk.substr(0, 30), 4, "not valid JSON"},
        Hostile{"tail", kOk + "x", 4, "not valid JSON"},
        Hostile{"two", kOk + kOk, 4, "not valid JSON"},
        Hostile{"not UTF-8", "{\"\xff\xfe\":1}", 4, "not valid JSON"},
        Hostile{"deep", "{\"a\":" + std::string(100'000, '['), 0, "'a' is not an object"},
        Hostile{"number", R"({"a":3})", 0, "'a' is not an object, got 3"},
        Hostile{"metadata number", R"({"__metadata__":{"k":1}})", 0, "field 'k' of __metadata__"},
        Hostile{"metadata object", R"({"__metadata__":{"k":{}}})", 0, "field 'k' of __metadata__"},
        Hostile{"metadata twice", R"({"__metadata__":{"k":"1","k":"2"}})", 0, "key 'k' twice"},
        Hostile{"unknown dtype", R"({"a":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}})", 1,
                "unknown dtype, got 'F7'"},
        Hostile{"dtype number", R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1,
                "field 'dtype' of tensor 'a'"},
        Hostile{"no dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1,
                "lacks the field 'dtype'"},
        Hostile{"no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1,
                "lacks the field 'shape'"},
        Hostile{"no offsets", R"({"a":{"dtype":"U8","shape":[1]}})", 1,
                "lacks the field 'data_offsets'"},
        Hostile{"unknown field", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})",
                1, "unknown field 'x'"},
        Hostile{"field twice",
                R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
                "field 'dtype' twice"},
        Hostile{"name twice",
                R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                2, "name 'a' is there twice"},
        Hostile{"negative", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
                "field 'shape' of tensor 'a' has the wrong type, got -1"},
        Hostile{"fraction", R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1,
                "got 1.5"},
        Hostile{"huge integer",
                R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})", 1,
                "out of range"},
        Hostile{"overflow",
                R"({"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,1]}})", 1,
                "overflows"},
        Hostile{"overflow and zero",
                R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296,0],)"
                R"("data_offsets":[0,0]}})",
                0, "overflows"},
        Hostile{"dimensions",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[1" +
                    [] {
                      std::string more;
                      for (int i = 0; i < 64; ++i) more += ",1";
                      return more;
                    }() +
                    "],\"data_offsets\":[0,1]}}",
                1, "65th dimension"},
        Hostile{"one offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1,
                "has 1 numbers, expected 2"},
        Hostile{"three offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1,
                "third offset"},
        Hostile{"backwards", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1,
                "data_offsets of tensor 'a'"},
        Hostile{"beyond the end", R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 4,
                "data_offsets of tensor 'a'"},
        Hostile{"far beyond the end",
                R"({"a":{"dtype":"U8","shape":[9223372036854775807],)"
                R"("data_offsets":[0,9223372036854775807]}})",
                4, "data_offsets of tensor 'a'"},
        Hostile{"hole", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
                "data_offsets of tensor 'a'"},
        Hostile{"overlap",
                R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                3, "data_offsets of tensor 'b'"},
        Hostile{"size", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
                "has 4 bytes by its data_offsets, expected 8"},
        Hostile{"half a byte", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1,
                "whole bytes"},
        Hostile{"data tail", kOk, 5, "5 bytes of data, expected 4"},
        Hostile{"data cut", kOk, 3, "data_offsets of tensor 'a'"}));

TEST_F(SafetensorsTest, HeaderLengthIsChecked) {
  const auto error = [&](const std::string& bytes) {
    return error_of([&] { Safetensors{write_bytes("file.safetensors", bytes)}; });
  };
  EXPECT_THAT(error(""), HasSubstr("0 bytes, expected at least 8"));
  EXPECT_THAT(error("1234567"), HasSubstr("7 bytes, expected at least 8"));
  EXPECT_THAT(error(std::string(8, '\xff')), HasSubstr("header length out of range"));
  EXPECT_THAT(error(std::string("\3\0\0\0\0\0\0\0{}", 10)),
              HasSubstr("header length out of range, got 3, expected at most 2"));
  EXPECT_THAT(error_of([&] { Safetensors{folder_}; }), HasSubstr("is not a regular file"));
  EXPECT_THAT(error_of([&] { Safetensors{folder_ / "absent"}; }), HasSubstr("absent"));
}

// Every single changed byte of a header, and every cut, is read or refused, never worse.
TEST_F(SafetensorsTest, DamagedBytesNeverCrash) {
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[12,16]}})";
  const std::string whole = with_length(header) + std::string(16, '\1');
  const auto bytes = [](const std::string& text) { return bytes_of(text); };
  int read = 0;
  const auto attempt = [&](const std::string& text) {
    try {
      parse_safetensors_header(bytes(text), "memory");
      ++read;
    } catch (const Error&) {
    }
  };
  for (std::size_t i = 0; i < whole.size() - 16; ++i) {
    for (int value = 0; value < 256; value += 3) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(value);
      attempt(damaged);
    }
  }
  for (std::size_t size = 0; size < whole.size(); ++size) attempt(whole.substr(0, size));
  EXPECT_GT(read, 0);
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    for (int j = 0; j < 3; ++j) {
      damaged[random() % (whole.size() - 16)] = header[random() % header.size()];
    }
    attempt(damaged);
  }
}

TEST_F(SafetensorsTest, WriterChecksItsParts) {
  const fs::path path = folder_ / "model.safetensors";
  const std::vector<TensorSpec> specs{{"a", DType::kU8, {4}}};
  {
    SafetensorsWriter writer(path, specs);
    EXPECT_THAT(error_of([&] { writer.write("b", bytes_of("1")); }), HasSubstr("no tensor 'b'"));
    EXPECT_THAT(error_of([&] { writer.write_at("a", 3, bytes_of("12")); }),
                HasSubstr("2 bytes at 3 leave tensor 'a' of 4 bytes"));
    EXPECT_THAT(error_of([&] { writer.write_at("a", ~0ULL, bytes_of("12")); }),
                HasSubstr("leave tensor 'a'"));
    writer.write("a", bytes_of("123"));
    EXPECT_THAT(error_of([&] { writer.commit(); }), HasSubstr("incomplete, got 3 bytes"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));  // the temporary file is gone
  EXPECT_THAT(error_of([&] {
                SafetensorsWriter(path, {specs[0], specs[0]});
              }),
              HasSubstr("tensor 'a' is there twice"));
  EXPECT_THAT(error_of([&] {
                SafetensorsWriter(path, {{"a", DType::kU8, {-1}}});
              }),
              HasSubstr("negative dimension"));
  EXPECT_THAT(error_of([&] { SafetensorsWriter(folder_ / "no" / "model", specs); }),
              HasSubstr("cannot create"));
}

TEST_F(SafetensorsTest, FileLimitIsAnErrorAndLeavesNothing) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limited{1 << 16, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  const fs::path path = folder_ / "model.safetensors";
  const std::string error = error_of([&] {
    SafetensorsWriter(path, {{"a", DType::kU8, {1 << 20}}});
  });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(error, HasSubstr("File too large"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(SafetensorsTest, PartsComeFromSeveralThreads) {
  const fs::path path = folder_ / "model.safetensors";
  constexpr int kParts = 64;
  SafetensorsWriter writer(path, {{"a", DType::kI32, {kParts}}});
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&writer, thread] {
      for (int i = thread; i < kParts; i += 4) {
        writer.write_at("a", 4 * static_cast<std::uint64_t>(i), std::as_bytes(std::span(&i, 1)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.commit();
  const Safetensors file(path);
  for (int i = 0; i < kParts; ++i) {
    int value = -1;
    std::memcpy(&value, file.find("a")->data.data() + 4 * i, 4);
    EXPECT_EQ(value, i);
  }
}

class ModelFilesTest : public SafetensorsTest {
 protected:
  void shard(const std::string& file, const std::string& tensor) const {
    SafetensorsWriter writer(folder_ / file, {{tensor, DType::kU8, {1}}});
    writer.write(tensor, bytes_of("1"));
    writer.commit();
  }
  void index(const std::string& text) const { write_bytes("model.safetensors.index.json", text); }
  std::string open_error() const {
    return error_of([&] { ModelFiles{folder_}; });
  }
};

TEST_F(ModelFilesTest, FindsTensorsInShards) {
  shard("s1.safetensors", "a");
  shard("s2.safetensors", "b");
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  const ModelFiles files(folder_);
  EXPECT_TRUE(files.is_sharded());
  EXPECT_EQ(files.tensor_count(), 2U);
  EXPECT_EQ(files.total_bytes(), 2U);
  EXPECT_EQ(files.at("b").name, "b");
  EXPECT_THAT(error_of([&] { files.at("c"); }), HasSubstr("no tensor 'c'"));
}

TEST_F(ModelFilesTest, IndexAndShardsMustAgree) {
  EXPECT_THAT(open_error(), HasSubstr("neither model.safetensors nor"));
  shard("s1.safetensors", "a");
  index("{");
  EXPECT_THAT(open_error(), HasSubstr("not valid JSON"));
  index("[]");
  EXPECT_THAT(open_error(), HasSubstr("lacks the object 'weight_map'"));
  index(R"({"weight_map":{"a":1}})");
  EXPECT_THAT(open_error(), HasSubstr("weight_map of 'a' is not a string"));
  index(R"({"weight_map":{"a":"../s1.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("not a file name, got '../s1.safetensors'"));
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("the shard 's2.safetensors' is missing"));
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s1.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("lacks the tensor 'b'"));
  shard("s2.safetensors", "c");
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("tensor 'c' is not where"));
}

}  // namespace
}  // namespace lowp::checkpoint
