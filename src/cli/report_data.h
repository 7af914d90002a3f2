// What `lowp report` shows, read from the JSON that quantize, eval and generate write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lowp::cli {

// A model that was evaluated, or asked to generate, or both. What was not measured is absent.
struct ModelRow {
  std::string name;  // of the row; the scheme where the file names none
  std::string model, scheme;
  std::optional<double> size_bytes, bits_per_weight;
  std::optional<double> perplexity, perplexity_error, kl_mean, kl_p99, top1;
  std::optional<double> tokens_per_second, prompt_tokens_per_second, decode_tokens_per_second;
  std::optional<double> peak_rss_bytes;
  std::string text;  // that it generated
};

// A tensor of a checkpoint; those with a scheme were quantized, the others have a reason.
struct LayerRow {
  std::string name, scheme, reason;
  std::vector<std::int64_t> shape;
  std::optional<double> bits_per_weight, bytes_before, bytes_after;
  std::optional<double> sqnr_db;  // absent if there is no error at all
  std::optional<double> relative_error, max_error, clipped_share, zero_share, non_finite;
};

// One run of `lowp quantize`.
struct QuantizeRun {
  std::string name;  // scheme and group size
  std::string source, output;
  std::optional<double> bytes_before, bytes_after, bits_per_weight, seconds, threads;
  std::vector<LayerRow> layers;
};

struct ReportData {
  std::string model, text, device, date, version;  // of the file that says so
  std::optional<double> threads;
  std::vector<ModelRow> models;
  std::vector<QuantizeRun> runs;
};

// Adds a JSON file, or those files of a directory that hold results. Throws lowp::Error that names
// the file and the field.
void add_results(const std::filesystem::path& path, ReportData& data);

}  // namespace lowp::cli
