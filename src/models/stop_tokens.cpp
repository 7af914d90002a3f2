#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "lowp/error.h"
#include "lowp/models/generation.h"

namespace lowp::models {
namespace {

nlohmann::json read_eos(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return nullptr;
  const nlohmann::json root = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) {
    throw Error(fmt::format("[load_stop_tokens] {}: not a JSON object", file.string()));
  }
  return root.value("eos_token_id", nlohmann::json());
}

}  // namespace

std::vector<std::int64_t> load_stop_tokens(const std::filesystem::path& directory) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::filesystem::path file = directory / name;
    nlohmann::json eos = read_eos(file);
    if (eos.is_null()) continue;
    if (!eos.is_array()) eos = nlohmann::json::array({eos});
    std::vector<std::int64_t> tokens;
    for (const nlohmann::json& token : eos) {
      if (!token.is_number_integer()) {
        throw Error(
            fmt::format("[load_stop_tokens] {}: bad eos_token_id, got {}, expected a token "
                        "or a list of tokens",
                        file.string(), token.dump()));
      }
      tokens.push_back(token.get<std::int64_t>());
    }
    return tokens;
  }
  return {};
}

}  // namespace lowp::models
