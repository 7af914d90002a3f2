#include "cli/report_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "tokenizer/utf8.h"

namespace lowp::cli {
namespace {

constexpr const char* kAbsent = "\u2013";

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : tokenizer::replace_invalid_utf8(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
        escaped += control ? "\uFFFD" : std::string(1, c);
      }
    }
  }
  return escaped;
}

std::string html_number(std::optional<double> value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : kAbsent;
}

std::string html_percent(std::optional<double> share, int decimals) {
  return share ? fmt::format("{:.{}f}\u202F%", 100 * *share, decimals) : kAbsent;
}

std::string html_bytes(std::optional<double> bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
  if (!bytes) return kAbsent;
  double value = *bytes;
  std::size_t unit = 0;
  for (; std::fabs(value) >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}\u202F{}", value, decimals, kUnits[unit]);
}

std::string number_cell(std::optional<double> key, const std::string& shown) {
  // A missing number sorts behind all others.
  const std::string text = key && std::isfinite(*key) ? fmt::format("{}", *key) : "";
  return fmt::format("<td class=\"n\" data-v=\"{}\">{}</td>", text, escape_html(shown));
}

std::string text_cell(std::string_view text) {
  return fmt::format("<td>{}</td>", escape_html(text));
}

}  // namespace lowp::cli
