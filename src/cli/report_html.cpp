#include "cli/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "cli/report_chart.h"
#include "cli/report_layers.h"
#include "cli/report_page.h"
#include "cli/report_text.h"

namespace lowp::cli {
namespace {

using Metric = std::optional<double> ModelRow::*;

// What the others are compared with: the model that its own logits were compared with.
const ModelRow* baseline_of(const std::vector<ModelRow>& models) {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [](const ModelRow& row) { return row.kl_mean == 0.0; });
  return found == models.end() ? nullptr : &*found;
}

bool any(const std::vector<ModelRow>& models, Metric metric) {
  return std::any_of(models.begin(), models.end(),
                     [&](const ModelRow& row) { return (row.*metric).has_value(); });
}

std::optional<double> increase(const ModelRow& row, const ModelRow* baseline) {
  if (baseline == nullptr || !row.perplexity || !baseline->perplexity || &row == baseline) {
    return std::nullopt;
  }
  return *row.perplexity / *baseline->perplexity - 1;
}

std::string perplexity_text(const ModelRow& row) {
  const std::string error =
      row.perplexity_error ? fmt::format(" \u00B1 {:.2f}", *row.perplexity_error) : "";
  return html_number(row.perplexity, "{:.2f}") + error;
}

struct Column {
  const char* title;
  bool shown;
  std::function<std::string(const ModelRow&)> cell;
};

std::vector<Column> model_columns(const std::vector<ModelRow>& models, const ModelRow* baseline) {
  const auto number = [&](const char* title, Metric metric, const char* format) {
    return Column{title, any(models, metric), [metric, format](const ModelRow& row) {
                    return number_cell(row.*metric, html_number(row.*metric, format));
                  }};
  };
  const auto bytes = [&](const char* title, Metric metric) {
    return Column{title, any(models, metric), [metric](const ModelRow& row) {
                    return number_cell(row.*metric, html_bytes(row.*metric));
                  }};
  };
  return {
      bytes("Size", &ModelRow::size_bytes),
      number("Bits/weight", &ModelRow::bits_per_weight, "{:.2f}"),
      {"Perplexity", any(models, &ModelRow::perplexity),
       [](const ModelRow& row) { return number_cell(row.perplexity, perplexity_text(row)); }},
      {"Change", baseline != nullptr,
       [baseline](const ModelRow& row) {
         const auto change = increase(row, baseline);
         return number_cell(change, change ? fmt::format("{:+.2f}\u202F%", 100 * *change)
                                           : html_number(change, ""));
       }},
      number("KL mean", &ModelRow::kl_mean, "{:.4f}"),
      number("KL 99\u202F%", &ModelRow::kl_p99, "{:.3f}"),
      {"Top-1 agrees", any(models, &ModelRow::top1),
       [](const ModelRow& row) { return number_cell(row.top1, html_percent(row.top1, 1)); }},
      number("Eval tokens/s", &ModelRow::tokens_per_second, "{:.0f}"),
      number("Decode tokens/s", &ModelRow::decode_tokens_per_second, "{:.1f}"),
      bytes("Peak memory", &ModelRow::peak_rss_bytes),
  };
}

std::string model_table(const std::vector<ModelRow>& models, const ModelRow* baseline) {
  const std::vector<Column> columns = model_columns(models, baseline);
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Models\">"
      "<table class=\"sortable\"><caption>Models, side by side</caption>"
      "<thead><tr><th scope=\"col\">Scheme</th>";
  for (const Column& column : columns) {
    if (column.shown) out += fmt::format("<th scope=\"col\" class=\"n\">{}</th>", column.title);
  }
  out += "</tr></thead><tbody>";
  for (const ModelRow& row : models) {
    out += fmt::format("<tr><th scope=\"row\" title=\"{}\">{}</th>", escape_html(row.model),
                       escape_html(row.name));
    for (const Column& column : columns) {
      if (column.shown) out += column.cell(row);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

// A bar for each model that has the value.
std::string model_bars(const std::string& title, const std::string& note,
                       const std::vector<ModelRow>& models, const ModelRow* baseline,
                       const std::function<std::optional<double>(const ModelRow&)>& value,
                       const std::function<std::string(double)>& show) {
  std::vector<Bar> bars;
  for (const ModelRow& row : models) {
    const std::optional<double> found = value(row);
    if (found) bars.push_back({row.name, std::max(*found, 0.0), show(*found), &row == baseline});
  }
  return bars.empty() ? "" : bar_chart(title, note, bars);
}

std::string model_charts(const std::vector<ModelRow>& models, const ModelRow* baseline) {
  const auto get = [](Metric metric) {
    return [metric](const ModelRow& row) { return row.*metric; };
  };
  const auto percent = [](double share) { return fmt::format("{:+.2f}\u202F%", 100 * share); };
  const auto number = [](double value) { return fmt::format("{:.4f}", value); };
  const auto rate = [](double value) { return fmt::format("{:.1f}", value); };
  std::string out = "<div class=\"charts\">";
  out += model_bars("Size", "of all tensors", models, baseline, get(&ModelRow::size_bytes),
                    [](double bytes) { return html_bytes(bytes); });
  out += model_bars(
      "Perplexity", "increase, lower is better", models, baseline,
      [&](const ModelRow& row) { return increase(row, baseline); }, percent);
  out += model_bars(
      "KL divergence", "mean, in nats, lower is better", models, baseline,
      [&](const ModelRow& row) { return &row == baseline ? std::nullopt : row.kl_mean; }, number);
  out += model_bars("Decode", "tokens/s, higher is better", models, baseline,
                    get(&ModelRow::decode_tokens_per_second), rate);
  return out + "</div>";
}

std::string samples(const std::vector<ModelRow>& models) {
  std::string out;
  for (const ModelRow& row : models) {
    if (row.text.empty()) continue;
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(row.name), escape_html(row.text));
  }
  if (out.empty()) return "";
  return "<section><h2>Generated text</h2><dl class=\"samples\">" + out + "</dl></section>";
}

std::string models_section(const std::vector<ModelRow>& models) {
  if (models.empty()) return "";
  const ModelRow* baseline = baseline_of(models);
  std::string out = "<section><h2>Models</h2>" + model_charts(models, baseline);
  if (baseline != nullptr) {
    out += fmt::format("<p class=\"note\">Change, KL and top-1 agreement are against {}.</p>",
                       escape_html(baseline->name));
  }
  return out + model_table(models, baseline) + "</section>";
}

std::string size_table(const std::vector<QuantizeRun>& runs) {
  std::string out =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Checkpoints\">"
      "<table class=\"sortable\"><caption>Checkpoints, before and after</caption>"
      "<thead><tr><th scope=\"col\">Scheme</th><th scope=\"col\" class=\"n\">Before</th>"
      "<th scope=\"col\" class=\"n\">After</th><th scope=\"col\" class=\"n\">Share</th>"
      "<th scope=\"col\" class=\"n\">Bits/weight</th><th scope=\"col\" class=\"n\">Mean SQNR "
      "dB</th>"
      "<th scope=\"col\" class=\"n\">Lowest SQNR dB</th></tr></thead><tbody>";
  for (const QuantizeRun& run : runs) {
    double sum = 0, count = 0;
    std::optional<double> lowest;
    for (const LayerRow& layer : run.layers) {
      if (layer.scheme.empty() || !layer.sqnr_db) continue;
      sum += *layer.sqnr_db;
      ++count;
      lowest = std::min(lowest.value_or(*layer.sqnr_db), *layer.sqnr_db);
    }
    const std::optional<double> mean = count > 0 ? std::optional(sum / count) : std::nullopt;
    const bool sized = run.bytes_before && run.bytes_after && *run.bytes_before > 0;
    const std::optional<double> share =
        sized ? std::optional(*run.bytes_after / *run.bytes_before) : std::nullopt;
    out += fmt::format("<tr><th scope=\"row\" title=\"{}\">{}</th>", escape_html(run.output),
                       escape_html(run.name));
    out += number_cell(run.bytes_before, html_bytes(run.bytes_before));
    out += number_cell(run.bytes_after, html_bytes(run.bytes_after));
    out += number_cell(share, html_percent(share, 1));
    out += number_cell(run.bits_per_weight, html_number(run.bits_per_weight, "{:.2f}"));
    out += number_cell(mean, html_number(mean, "{:.2f}"));
    out += number_cell(lowest, html_number(lowest, "{:.2f}")) + "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

std::string checkpoints_section(const std::vector<QuantizeRun>& runs) {
  if (runs.empty()) return "";
  std::string out = "<section><h2>Checkpoints</h2>" + size_table(runs);
  std::vector<Series> series;
  for (const QuantizeRun& run : runs) {
    if (Series mean = mean_sqnr(run); !mean.points.empty()) series.push_back(std::move(mean));
  }
  if (series.size() > 1) {
    out += "<h3>Mean error by block</h3>";
    out += line_chart("Mean SQNR of the layers of each block, a line for each scheme", "Block",
                      "SQNR, dB (higher is better)", series);
  }
  return out + "</section>";
}

std::string facts(const ReportData& data) {
  std::string out;
  const auto fact = [&](const char* title, const std::string& value) {
    if (!value.empty())
      out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", title, escape_html(value));
  };
  fact("Model", data.model);
  fact("Text", data.text);
  fact("Device", data.device);
  fact("Threads", data.threads ? fmt::format("{:.0f}", *data.threads) : "");
  fact("Date", data.date);
  fact("Version", data.version);
  return out.empty() ? "" : "<dl class=\"facts\">" + out + "</dl>";
}

std::string replaced(std::string page, const std::string& mark, const std::string& text) {
  const std::size_t at = page.find(mark);
  return at == page.npos ? page : page.replace(at, mark.size(), text);
}

}  // namespace

std::string report_html(const ReportData& data) {
  std::string body = facts(data) + models_section(data.models) + checkpoints_section(data.runs);
  for (const QuantizeRun& run : data.runs) body += run_section(run);
  body += samples(data.models);
  return replaced(kReportPage, "<!--body-->", body);
}

}  // namespace lowp::cli
