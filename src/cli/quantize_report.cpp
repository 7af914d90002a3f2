#include "cli/quantize_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cli/console.h"

namespace lowp::cli {
namespace {

using Json = nlohmann::ordered_json;

// JSON has neither Inf nor NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::uint64_t output_bytes(const TensorPlan& tensor) {
  std::uint64_t bytes = 0;
  for (const auto& spec : tensor.outputs) {
    bytes += checkpoint::byte_size(spec.dtype, spec.shape, spec.name);
  }
  return bytes;
}

double bits_per_weight(std::uint64_t bytes, std::int64_t count) {
  return count == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(count);
}

std::string scheme_text(const TensorPlan& tensor) {
  if (!tensor.scheme) return "";
  const bool grouped = tensor.scheme->granularity == Granularity::kGroup;
  return grouped ? fmt::format("{} g{}", tensor.scheme->name, tensor.scheme->group_size)
                 : std::string(tensor.scheme->name);
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

// sqnr_db of a row; without noise it is infinite, which JSON has as null.
double sqnr(const Json& row) {
  return row["sqnr_db"].is_null() ? INFINITY : row["sqnr_db"].get<double>();
}

std::vector<Json> quantized_rows(const QuantizeSummary& summary) {
  std::vector<Json> rows;
  for (const Json& row : summary.layers) {
    if (!row["scheme"].is_null()) rows.push_back(row);
  }
  return rows;
}

}  // namespace

Json layer_row(const TensorPlan& tensor, const Distortion* distortion, double seconds) {
  const std::uint64_t bytes = output_bytes(tensor);
  Json row{{"name", tensor.source->name},
           {"shape", tensor.source->shape},
           {"dtype", name(tensor.source->dtype)},
           {"scheme", nullptr},
           {"group_size", nullptr},
           {"bits_per_weight", bits_per_weight(bytes, tensor.source->element_count())},
           {"bytes_before", tensor.source->data.size()},
           {"bytes_after", bytes},
           {"reason", nullptr},
           {"seconds", seconds}};
  if (tensor.scheme) {
    row["scheme"] = tensor.scheme->name;
    if (tensor.scheme->group_size != 0) row["group_size"] = tensor.scheme->group_size;
  }
  if (!tensor.reason.empty()) row["reason"] = tensor.reason;
  const bool known = distortion != nullptr;
  row["sqnr_db"] = known ? number(distortion->sqnr_db()) : Json(nullptr);
  row["relative_error"] = known ? number(distortion->relative_error()) : Json(nullptr);
  row["max_error"] = known ? number(distortion->max_error) : Json(nullptr);
  row["clipped_share"] = known ? number(distortion->clipped_share()) : Json(nullptr);
  row["zero_share"] = known ? number(distortion->zero_share()) : Json(nullptr);
  row["non_finite"] = known ? Json(distortion->non_finite) : Json(nullptr);
  row["non_finite_after"] = known ? Json(distortion->bad_values) : Json(nullptr);
  return row;
}

Json to_json(const QuantizeSummary& summary) {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  std::int64_t count = 0;
  std::int64_t non_finite = 0;
  const std::vector<Json> quantized = quantized_rows(summary);
  for (const Json& row : quantized) {
    before += row["bytes_before"].get<std::uint64_t>();
    after += row["bytes_after"].get<std::uint64_t>();
    non_finite += row["non_finite"].get<std::int64_t>();
    std::int64_t elements = 1;
    for (const Json& extent : row["shape"]) elements *= extent.get<std::int64_t>();
    count += elements;
  }
  return {{"source", summary.source},
          {"output", summary.output},
          {"recipe", summary.recipe},
          {"bytes_before", summary.source_bytes},
          {"bytes_after", summary.output_bytes},
          {"quantized_layers", quantized.size()},
          {"quantized_bytes_before", before},
          {"quantized_bytes_after", after},
          {"bits_per_weight", bits_per_weight(after, count)},
          {"non_finite", non_finite},
          {"seconds", summary.seconds},
          {"threads", summary.threads},
          {"reused_shards", summary.reused_shards},
          {"layers", summary.layers}};
}

std::string to_text(const QuantizeSummary& summary) {
  constexpr std::size_t kWorst = 5;
  const Json totals = to_json(summary);
  std::string text = fmt::format("{}: {} layers in {}, {:.2f} bits a weight, {} from {}, {}\n",
                                 summary.output, totals["quantized_layers"].get<std::size_t>(),
                                 summary.recipe["scheme"].get<std::string>(),
                                 totals["bits_per_weight"].get<double>(),
                                 human_bytes(static_cast<std::int64_t>(summary.output_bytes)),
                                 human_bytes(static_cast<std::int64_t>(summary.source_bytes)),
                                 human_duration(summary.seconds));
  std::vector<Json> rows = quantized_rows(summary);
  std::ranges::stable_sort(rows, {}, sqnr);
  Table table({{"largest error"},
               {"shape"},
               {"scheme"},
               {"SQNR dB", Table::Align::kRight},
               {"relative error", Table::Align::kRight},
               {"clipped", Table::Align::kRight}});
  for (std::size_t i = 0; i < std::min(rows.size(), kWorst); ++i) {
    const Json& row = rows[i];
    const auto percent = [&](const char* key) {
      return row[key].is_null() ? std::string("-")
                                : fmt::format("{:.3g} %", 100 * row[key].get<double>());
    };
    table.add_row({row["name"].get<std::string>(),
                   shape_text(row["shape"].get<std::vector<std::int64_t>>()),
                   row["scheme"].get<std::string>(), fmt::format("{:.2f}", sqnr(row)),
                   percent("relative_error"), percent("clipped_share")});
  }
  return text + "\n" + table.to_string();
}

std::vector<std::string> warnings(const QuantizeSummary& summary) {
  std::vector<std::string> lines;
  for (const Json& row : quantized_rows(summary)) {
    const auto before = row["non_finite"].get<std::int64_t>();
    const auto after = row["non_finite_after"].get<std::int64_t>();
    if (before != 0 || after != 0) {
      lines.push_back(fmt::format("{}: {} NaN or Inf before quantization, {} more after it",
                                  row["name"].get<std::string>(), before, after));
    }
  }
  return lines;
}

std::string plan_table(const QuantizePlan& plan) {
  Table table({{"tensor"},
               {"shape"},
               {"scheme"},
               {"before", Table::Align::kRight},
               {"after", Table::Align::kRight},
               {"remark"}});
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorPlan& tensor : shard.tensors) {
      const auto before = static_cast<std::int64_t>(tensor.source->data.size());
      table.add_row({tensor.source->name, shape_text(tensor.source->shape), scheme_text(tensor),
                     human_bytes(before),
                     human_bytes(static_cast<std::int64_t>(output_bytes(tensor))), tensor.reason});
    }
  }
  return fmt::format("{}\n{} before, {} after\n", table.to_string(),
                     human_bytes(static_cast<std::int64_t>(plan.source_bytes())),
                     human_bytes(static_cast<std::int64_t>(plan.output_bytes())));
}

}  // namespace lowp::cli
