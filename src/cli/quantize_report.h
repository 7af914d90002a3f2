// What quantization did to each tensor: the rows of report.json and the summary on the terminal.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/quantize_plan.h"
#include "schemes/distortion.h"

namespace lowp::cli {

// A row of the report. Numbers of distortion are null where the tensor was copied.
nlohmann::ordered_json layer_row(const TensorPlan& tensor, const Distortion* distortion,
                                 double seconds);

struct QuantizeSummary {
  std::string source;
  std::string output;
  nlohmann::ordered_json recipe;
  std::vector<nlohmann::ordered_json> layers;  // rows, in the order of the files
  std::uint64_t source_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0;
  int threads = 0;
  std::size_t reused_shards = 0;
};

// The whole report: the recipe, totals, `layers`.
nlohmann::ordered_json to_json(const QuantizeSummary& summary);

// Totals and the layers that lost most.
std::string to_text(const QuantizeSummary& summary);

// A line for each layer with NaN or Inf in it, before or after.
std::vector<std::string> warnings(const QuantizeSummary& summary);

// What --dry-run prints: a line a tensor.
std::string plan_table(const QuantizePlan& plan);

}  // namespace lowp::cli
