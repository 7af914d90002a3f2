// The files of a Hugging Face directory beside its weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lowp::cli {

inline constexpr const char* kModelIndex = "model.safetensors.index.json";

// Throws lowp::Error that names the file.
std::string read_text_file(const std::filesystem::path& path);

// Text of model.safetensors.index.json; weight_map from tensor to file.
std::string model_index(const nlohmann::json& weight_map, std::uint64_t total_bytes);

// Copies everything but weights, their index, config.json and recipe.yaml: tokenizer, generation
// configuration, templates, licences. Returns the names.
std::vector<std::string> copy_model_texts(const std::filesystem::path& from,
                                          const std::filesystem::path& to);

}  // namespace lowp::cli
