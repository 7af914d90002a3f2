#include "tokenizer/text_file.h"

#include <fmt/format.h>

#include "checkpoint/mapped_file.h"
#include "lowp/error.h"

namespace lowp::tokenizer {

std::string read_file(const std::filesystem::path& path) {
  const checkpoint::MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

nlohmann::json read_json(const std::filesystem::path& path) {
  const checkpoint::MappedFile file(path);
  const auto* first = reinterpret_cast<const char*>(file.bytes().data());
  try {
    return nlohmann::json::parse(first, first + file.bytes().size());
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("[tokenizer] {} is not JSON: {}", path.string(), error.what()));
  }
}

}  // namespace lowp::tokenizer
