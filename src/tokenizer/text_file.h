#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace lowp::tokenizer {

// The bytes of a file; its JSON. Throw lowp::Error that names the file.
std::string read_file(const std::filesystem::path& path);
nlohmann::json read_json(const std::filesystem::path& path);

}  // namespace lowp::tokenizer
