#include "cli/inspection.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <numeric>

#include "checkpoint/gguf.h"
#include "checkpoint/model_files.h"
#include "checkpoint/safetensors.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kLongArray = 16;

bool is_gguf(const fs::path& path) {
  if (path.extension() == ".gguf") return true;
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::memcmp(magic, "GGUF", sizeof(magic)) == 0;
}

ordered_json gguf_metadata(const checkpoint::Gguf& gguf) {
  ordered_json values = ordered_json::object();
  for (const checkpoint::GgufMetadataEntry& entry : gguf.entries()) {
    if (entry.type == checkpoint::GgufValueType::kArray && entry.element_count > kLongArray) {
      const auto type = static_cast<std::uint32_t>(entry.element_type);
      values[entry.key] = {{"array_of", *checkpoint::gguf_value_type_name(type)},
                           {"length", entry.element_count}};
    } else {
      values[entry.key] = gguf.value(entry.key);
    }
  }
  return values;
}

Inspection inspect_gguf(const fs::path& path) {
  const checkpoint::Gguf gguf(path);
  Inspection result;
  result.format = fmt::format("GGUF v{}", gguf.version());
  result.metadata = gguf_metadata(gguf);
  for (const checkpoint::GgufTensor& tensor : gguf.tensors()) {
    result.tensors.push_back({tensor.name, std::string(gguf_type_info(tensor.type).name),
                              tensor.shape, static_cast<std::int64_t>(tensor.data.size()),
                              tensor.element_count(), ""});
  }
  result.checks = {
      "header: counts, lengths, types, UTF-8, unique names",
      fmt::format("data: offsets, alignment of {}, sizes, no overlap", gguf.alignment())};
  return result;
}

// The product of the I64 tensor `shape`, 0 if it is not one.
std::int64_t product_of(const checkpoint::TensorView& shape) {
  if (shape.dtype != DType::kI64) return 0;
  std::int64_t product = 1;
  for (std::size_t i = 0; i + 8 <= shape.data.size(); i += 8) {
    std::int64_t size = 0;
    std::memcpy(&size, shape.data.data() + i, sizeof(size));
    if (size <= 0 || __builtin_mul_overflow(product, size, &product)) return 0;
  }
  return product;
}

// The names are those of compressed-tensors and, for scales, of its relatives.
template <class Find>
std::int64_t parameters_of(const checkpoint::TensorView& tensor, const Find& find) {
  const std::string_view name = tensor.name;
  constexpr std::array kAuxiliary{"_scale", "_scale_inv", "_zero_point", "_zero",
                                  "_shape", "_g_idx",     "_scale_2"};
  for (const char* suffix : kAuxiliary) {
    if (name.ends_with(suffix)) return 0;
  }
  constexpr std::string_view kPacked = "_packed";
  if (!name.ends_with(kPacked)) return tensor.element_count();
  const std::string base(name.substr(0, name.size() - kPacked.size()));
  if (const checkpoint::TensorView* shape = find(base + "_shape")) return product_of(*shape);
  return tensor.element_count() * 2;  // two of 4 bits in a U8
}

template <class Find>
void add_tensors(const checkpoint::Safetensors& file, const std::string& shown_file,
                 const Find& find, std::vector<InspectedTensor>& tensors) {
  for (const checkpoint::TensorView& tensor : file.tensors()) {
    tensors.push_back({tensor.name, std::string(name(tensor.dtype)), tensor.shape,
                       static_cast<std::int64_t>(tensor.data.size()), parameters_of(tensor, find),
                       shown_file});
  }
}

Inspection inspect_safetensors(const fs::path& path) {
  const checkpoint::Safetensors file(path);
  Inspection result;
  result.format = "safetensors";
  result.metadata = file.metadata();
  add_tensors(
      file, "", [&](const std::string& name) { return file.find(name); }, result.tensors);
  result.checks = {"header: length, JSON, types, shapes, unique names",
                   "data: offsets, sizes, no holes, no tail"};
  return result;
}

ordered_json read_json(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(fmt::format("[inspect] cannot open '{}'", path.string()));
  ordered_json json = ordered_json::parse(stream, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    throw Error(fmt::format("[inspect] '{}' is not a JSON object", path.string()));
  }
  return json;
}

Inspection inspect_directory(const fs::path& path) {
  const checkpoint::ModelFiles model(path);
  Inspection result;
  result.format = "Hugging Face directory";
  result.metadata = read_json(path / "config.json");
  const auto find = [&](const std::string& name) { return model.find(name); };
  for (const checkpoint::Safetensors& file : model.files()) {
    add_tensors(file, model.is_sharded() ? file.path().filename().string() : "", find,
                result.tensors);
  }
  result.checks = {"config.json: valid JSON",
                   fmt::format("{} safetensors file{}: headers, offsets, sizes",
                               model.files().size(), model.files().size() == 1 ? "" : "s")};
  if (model.is_sharded()) {
    result.checks.emplace_back("model.safetensors.index.json: every shard and tensor is there");
  }
  for (const char* name : {"tokenizer_config.json", "generation_config.json"}) {
    if (!fs::exists(path / name)) continue;
    read_json(path / name);
    result.checks.push_back(fmt::format("{}: valid JSON", name));
  }
  return result;
}

}  // namespace

std::int64_t Inspection::bytes() const {
  return std::accumulate(tensors.begin(), tensors.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& tensor) { return sum + tensor.bytes; });
}

std::int64_t Inspection::parameters() const {
  return std::accumulate(
      tensors.begin(), tensors.end(), std::int64_t{0},
      [](std::int64_t sum, const auto& tensor) { return sum + tensor.parameters; });
}

double Inspection::bits_per_weight() const {
  const std::int64_t count = parameters();
  return count == 0 ? 0 : 8.0 * static_cast<double>(bytes()) / static_cast<double>(count);
}

Inspection inspect(const fs::path& path) {
  if (!fs::exists(path)) {
    throw Error(fmt::format("[inspect] '{}' does not exist", path.string()));
  }
  Inspection result = fs::is_directory(path) ? inspect_directory(path)
                      : is_gguf(path)        ? inspect_gguf(path)
                                             : inspect_safetensors(path);
  result.path = path;
  return result;
}

}  // namespace lowp::cli
