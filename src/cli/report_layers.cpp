#include "cli/report_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "cli/console.h"
#include "cli/report_text.h"

namespace lowp::cli {
namespace {

// "model.layers.3.mlp.down_proj.weight": block 3, kind "mlp.down_proj". Further numbers, as of
// experts, are one kind.
struct LayerPlace {
  int block;
  std::string kind;
};

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<LayerPlace> place_of(std::string_view name) {
  if (name.ends_with(".weight")) name.remove_suffix(7);
  std::optional<LayerPlace> place;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
    const std::optional<int> number = whole_number(part);
    if (!place) {
      if (number) place = LayerPlace{*number, ""};
      continue;
    }
    if (!place->kind.empty()) place->kind += '.';
    place->kind += number ? "*" : part;
  }
  return place;
}

// Means of what was added for each x.
class Means {
 public:
  void add(double x, double value) {
    auto& [sum, count] = sums_[x];
    sum += value;
    ++count;
  }

  Series series(std::string label) const {
    Series series{std::move(label), {}};
    for (const auto& [x, mean] : sums_) series.points.emplace_back(x, mean.first / mean.second);
    return series;
  }

 private:
  std::map<double, std::pair<double, int>> sums_;
};

template <class Add>
void each_sqnr(const QuantizeRun& run, const Add& add) {
  for (const LayerRow& layer : run.layers) {
    const auto place = place_of(layer.name);
    if (place && !layer.scheme.empty() && layer.sqnr_db) add(*place, *layer.sqnr_db);
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape) {
    text += fmt::format("{}{}", text.empty() ? "" : "\u202F\u00D7\u202F", extent);
  }
  return text;
}

// No error at all has an infinite SQNR, which JSON cannot say.
std::string sqnr_cell(const LayerRow& layer) {
  if (layer.sqnr_db || layer.relative_error != 0.0) {
    return number_cell(layer.sqnr_db, html_number(layer.sqnr_db, "{:.2f}"));
  }
  return "<td class=\"n\" data-v=\"1e9\">exact</td>";
}

std::string header_row(std::initializer_list<std::pair<const char*, bool>> columns) {
  std::string row = "<thead><tr>";
  for (const auto& [title, numeric] : columns) {
    row += fmt::format("<th scope=\"col\"{}>{}</th>", numeric ? " class=\"n\"" : "", title);
  }
  return row + "</tr></thead>";
}

std::string layer_table(const QuantizeRun& run) {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Layers of {}\">"
      "<table class=\"sortable filterable\"><caption>Quantized layers</caption>",
      escape_html(run.name));
  out += header_row({{"Layer", false},
                     {"Shape", true},
                     {"Scheme", false},
                     {"Bits/weight", true},
                     {"SQNR dB", true},
                     {"Relative error", true},
                     {"Largest error", true},
                     {"Clipped", true},
                     {"To zero", true},
                     {"NaN, Inf", true}});
  out += "<tbody>";
  for (const LayerRow& layer : run.layers) {
    if (layer.scheme.empty()) continue;
    double elements = 1;
    for (const std::int64_t extent : layer.shape) elements *= static_cast<double>(extent);
    out += fmt::format("<tr><th scope=\"row\">{}</th>", escape_html(layer.name));
    out += number_cell(elements, shape_text(layer.shape)) + text_cell(layer.scheme);
    out += number_cell(layer.bits_per_weight, html_number(layer.bits_per_weight, "{:.2f}"));
    out += sqnr_cell(layer);
    out += number_cell(layer.relative_error, html_percent(layer.relative_error, 2));
    out += number_cell(layer.max_error, html_number(layer.max_error, "{:.3g}"));
    out += number_cell(layer.clipped_share, html_percent(layer.clipped_share, 3));
    out += number_cell(layer.zero_share, html_percent(layer.zero_share, 2));
    out += number_cell(layer.non_finite, html_number(layer.non_finite, "{:.0f}")) + "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

std::string skipped_table(const QuantizeRun& run) {
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Tensors kept\">"
      "<table class=\"sortable\"><caption>Tensors kept as they were</caption>" +
      header_row({{"Tensor", false}, {"Shape", true}, {"Size", true}, {"Reason", false}}) +
      "<tbody>";
  for (const LayerRow& layer : run.layers) {
    if (!layer.scheme.empty()) continue;
    out += fmt::format("<tr><th scope=\"row\">{}</th>", escape_html(layer.name));
    out += number_cell(layer.bytes_before, shape_text(layer.shape));
    out += number_cell(layer.bytes_before, html_bytes(layer.bytes_before));
    out += text_cell(layer.reason) + "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

// Why tensors were kept, with how many and how large.
std::string reason_list(const QuantizeRun& run) {
  std::map<std::string, std::pair<int, double>> reasons;
  for (const LayerRow& layer : run.layers) {
    if (!layer.scheme.empty()) continue;
    auto& [count, bytes] = reasons[layer.reason.empty() ? "no reason given" : layer.reason];
    ++count;
    bytes += layer.bytes_before.value_or(0);
  }
  if (reasons.empty()) return "";
  std::string out = "<ul class=\"reasons\">";
  for (const auto& [reason, total] : reasons) {
    out += fmt::format("<li>{} <span>{} tensor{}, {}</span></li>", escape_html(reason), total.first,
                       total.first == 1 ? "" : "s", html_bytes(total.second));
  }
  return out + "</ul>";
}

// The name of a tensor may break after a dot.
std::string breakable(const std::string& name) {
  std::string out;
  for (const char c : escape_html(name)) {
    out += c;
    if (c == '.') out += "<wbr>";
  }
  return out;
}

// `note` is HTML.
std::string tile(const char* title, const std::string& value, const std::string& note) {
  return fmt::format("<div><dt>{}</dt><dd>{} <small>{}</small></dd></div>", title,
                     escape_html(value), note);
}

std::string tiles(const QuantizeRun& run) {
  const auto quantized = std::count_if(run.layers.begin(), run.layers.end(),
                                       [](const LayerRow& layer) { return !layer.scheme.empty(); });
  const LayerRow* worst = nullptr;
  for (const LayerRow& layer : run.layers) {
    const bool worse = layer.sqnr_db && (worst == nullptr || *layer.sqnr_db < *worst->sqnr_db);
    if (!layer.scheme.empty() && worse) worst = &layer;
  }
  std::string out = "<dl class=\"tiles\">";
  const std::string ratio =
      run.bytes_before && run.bytes_after && *run.bytes_before > 0
          ? fmt::format("{:.0f}\u202F% of {}", 100 * *run.bytes_after / *run.bytes_before,
                        html_bytes(run.bytes_before))
          : "";
  out += tile("Checkpoint", html_bytes(run.bytes_after), ratio);
  out += tile("Quantized layers", fmt::format("{}", quantized),
              fmt::format("of {} tensors", run.layers.size()));
  out += tile("Bits per weight", html_number(run.bits_per_weight, "{:.2f}"), "of those layers");
  if (worst != nullptr) {
    out += tile("Lowest SQNR", fmt::format("{:.1f} dB", *worst->sqnr_db), breakable(worst->name));
  }
  if (run.seconds) {
    const int threads = static_cast<int>(run.threads.value_or(0));
    out += tile("Time", human_duration(*run.seconds),
                threads > 0 ? fmt::format("{} thread{}", threads, threads == 1 ? "" : "s") : "");
  }
  return out + "</dl>";
}

}  // namespace

std::vector<Series> sqnr_by_kind(const QuantizeRun& run) {
  std::vector<std::string> kinds;  // as they come
  std::map<std::string, Means> means;
  each_sqnr(run, [&](const LayerPlace& place, double sqnr) {
    if (!means.contains(place.kind)) kinds.push_back(place.kind);
    means[place.kind].add(place.block, sqnr);
  });
  std::vector<Series> series;
  for (const std::string& kind : kinds) series.push_back(means[kind].series(kind));
  return series;
}

Series mean_sqnr(const QuantizeRun& run) {
  Means means;
  each_sqnr(run, [&](const LayerPlace& place, double sqnr) { means.add(place.block, sqnr); });
  return means.series(run.name);
}

std::string run_section(const QuantizeRun& run) {
  std::string out =
      fmt::format("<section><h2>{}</h2><p class=\"path\">{} \u2192 {}</p>", escape_html(run.name),
                  escape_html(run.source), escape_html(run.output));
  out += tiles(run);
  if (const std::vector<Series> series = sqnr_by_kind(run); !series.empty()) {
    out += "<h3>Error by layer</h3>";
    out += line_chart(
        fmt::format("SQNR of each layer of {}; the table below has the numbers", run.name), "Block",
        "SQNR, dB (higher is better)", series);
  }
  out += "<details><summary>Every quantized layer</summary>" + layer_table(run) + "</details>";
  if (const std::string reasons = reason_list(run); !reasons.empty()) {
    out += "<h3>Kept as they were</h3>" + reasons +
           "<details><summary>Every tensor that was kept</summary>" + skipped_table(run) +
           "</details>";
  }
  return out + "</section>\n";
}

}  // namespace lowp::cli
