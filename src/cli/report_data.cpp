#include "cli/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// An object of a file, with its place there for messages.
class Object {
 public:
  Object(const json& value, const fs::path& file, std::string place)
      : value_(value), file_(file), place_(std::move(place)) {
    if (!value_.is_object()) fail("", "is not an object");
  }

  bool has(const char* key) const { return value_.contains(key) && !value_[key].is_null(); }

  std::string text(const char* key) const {
    if (!has(key)) return "";
    if (!value_[key].is_string()) fail(key, "is not a string");
    return value_[key].get<std::string>();
  }

  std::optional<double> number(const char* key) const {
    if (!has(key)) return std::nullopt;
    if (!value_[key].is_number()) fail(key, "is not a number");
    return value_[key].get<double>();
  }

  std::vector<Object> objects(const char* key) const {
    if (!has(key) || !value_[key].is_array()) fail(key, "is not an array");
    std::vector<Object> list;
    for (const json& element : value_[key]) {
      list.emplace_back(element, file_, fmt::format("{}{}[{}].", place_, key, list.size()));
    }
    return list;
  }

  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> extents;
    if (!has("shape")) return extents;
    for (const json& extent : value_["shape"]) {
      if (!extent.is_number_integer()) fail("shape", "is not an array of integers");
      extents.push_back(extent.get<std::int64_t>());
    }
    return extents;
  }

  Object object(const char* key) const {
    return {has(key) ? value_[key] : kEmpty, file_, fmt::format("{}{}.", place_, key)};
  }

 private:
  [[noreturn]] void fail(const char* key, const char* problem) const {
    throw Error(fmt::format("[report] {}: {}{} {}", file_.string(), place_, key, problem));
  }

  static inline const json kEmpty = json::object();

  const json& value_;
  fs::path file_;
  std::string place_;
};

json read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("[report] {} cannot be read", path.string()));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    throw Error(fmt::format("[report] {} is not JSON: {}", path.string(), error.what()));
  }
}

LayerRow read_layer(const Object& row) {
  return {.name = row.text("name"),
          .scheme = row.text("scheme"),
          .reason = row.text("reason"),
          .shape = row.shape(),
          .bits_per_weight = row.number("bits_per_weight"),
          .bytes_before = row.number("bytes_before"),
          .bytes_after = row.number("bytes_after"),
          .sqnr_db = row.number("sqnr_db"),
          .relative_error = row.number("relative_error"),
          .max_error = row.number("max_error"),
          .clipped_share = row.number("clipped_share"),
          .zero_share = row.number("zero_share"),
          .non_finite = row.number("non_finite")};
}

QuantizeRun read_run(const Object& root) {
  const Object recipe = root.object("recipe");
  QuantizeRun run{.name = recipe.text("scheme"),
                  .source = root.text("source"),
                  .output = root.text("output"),
                  .bytes_before = root.number("bytes_before"),
                  .bytes_after = root.number("bytes_after"),
                  .bits_per_weight = root.number("bits_per_weight"),
                  .seconds = root.number("seconds"),
                  .threads = root.number("threads"),
                  .layers = {}};
  // A group size that the scheme's name implies says nothing new.
  const double group_size = recipe.number("group_size").value_or(0);
  const bool chosen = run.name.starts_with("W4") || run.name.starts_with("W8A16");
  if (group_size > 0 && chosen) run.name += fmt::format(" g{:.0f}", group_size);
  for (const Object& row : root.objects("layers")) run.layers.push_back(read_layer(row));
  return run;
}

// eval and generate write a model each; the same model twice is one row.
void add_model(const Object& row, ReportData& data) {
  ModelRow read{.name = row.text("name"),
                .model = row.text("model"),
                .scheme = row.text("scheme"),
                .size_bytes = row.number("size_bytes"),
                .bits_per_weight = row.number("bits_per_weight"),
                .perplexity = row.number("perplexity"),
                .perplexity_error = row.number("perplexity_error"),
                .kl_mean = row.number("kl_mean"),
                .kl_p99 = row.number("kl_p99"),
                .top1 = row.number("top1"),
                .tokens_per_second = row.number("tokens_per_second"),
                .prompt_tokens_per_second = row.number("prompt_tokens_per_second"),
                .decode_tokens_per_second = row.number("decode_tokens_per_second"),
                .peak_rss_bytes = row.number("peak_rss_bytes"),
                .text = row.text("text")};
  if (read.name.empty()) read.name = read.scheme.empty() ? read.model : read.scheme;
  const auto same =
      std::find_if(data.models.begin(), data.models.end(), [&](const ModelRow& other) {
        return !read.model.empty() && other.model == read.model && other.scheme == read.scheme &&
               other.perplexity.has_value() != read.perplexity.has_value();
      });
  if (same == data.models.end()) {
    data.models.push_back(std::move(read));
    return;
  }
  ModelRow& evaluated = read.perplexity ? read : *same;
  const ModelRow generated = read.perplexity ? *same : read;
  evaluated.text = generated.text;
  evaluated.prompt_tokens_per_second = generated.prompt_tokens_per_second;
  evaluated.decode_tokens_per_second = generated.decode_tokens_per_second;
  *same = ModelRow(evaluated);
}

// False if the file holds something else.
bool add_file(const fs::path& path, ReportData& data) {
  const json value = read_json(path);
  if (!value.is_object()) return false;
  const Object root(value, path, "");
  if (root.has("layers") && root.has("recipe")) {
    data.runs.push_back(read_run(root));
  } else if (root.has("models")) {
    for (const Object& row : root.objects("models")) add_model(row, data);
    const auto take = [&](const char* key, std::string& field) {
      if (root.has(key)) field = root.text(key);
    };
    take("model", data.model);
    take("text", data.text);
    take("device", data.device);
    take("date", data.date);
    take("version", data.version);
    if (root.has("threads")) data.threads = root.number("threads");
  } else if (root.has("perplexity") || root.has("decode_tokens_per_second")) {
    add_model(root, data);
  } else {
    return false;
  }
  return true;
}

}  // namespace

void add_results(const fs::path& path, ReportData& data) {
  constexpr auto kExpected =
      "expected what quantize --report, eval --json or generate --json wrote";
  if (!fs::is_directory(path)) {
    if (!add_file(path, data)) {
      throw Error(fmt::format("[report] {} holds no results, {}", path.string(), kExpected));
    }
    return;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file() && entry.path().extension() == ".json") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  bool found = false;
  for (const fs::path& file : files) found |= add_file(file, data);
  if (!found) {
    throw Error(
        fmt::format("[report] {} has no .json file with results, {}", path.string(), kExpected));
  }
}

}  // namespace lowp::cli
