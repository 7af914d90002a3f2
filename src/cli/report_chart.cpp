#include "cli/report_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cli/report_text.h"

namespace lowp::cli {
namespace {

// In the units of the SVG's view box, which grows with the page.
constexpr double kWidth = 760, kHeight = 300;
constexpr double kLeft = 62, kRight = 12, kTop = 12, kBottom = 42;

// A span of one axis with round ticks.
struct Axis {
  double low, high, step;
  double from, to;  // where low and high are drawn

  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

// 1, 2 or 5 times a power of ten.
double round_step(double span, int ticks) {
  const double raw = span / ticks;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

Axis make_axis(double low, double high, double least_step, int ticks, double from, double to) {
  if (high - low < 1e-9) high = low + 1;
  const double step = std::max(round_step(high - low, ticks), least_step);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step, from, to};
}

template <class Get>
std::pair<double, double> extent(const std::vector<Series>& series, Get get) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& line : series) {
    for (const auto& point : line.points) {
      low = std::min(low, get(point));
      high = std::max(high, get(point));
    }
  }
  return {low, high};
}

class LineChart {
 public:
  LineChart(const std::vector<Series>& series) : series_(series) {
    const auto [x_low, x_high] = extent(series, [](const auto& p) { return p.first; });
    const auto [y_low, y_high] = extent(series, [](const auto& p) { return p.second; });
    // Differences of a few tenths of a decibel should not look large.
    constexpr double kLeastSpan = 3;
    const double widen = std::max(kLeastSpan - (y_high - y_low), 0.0) / 2;
    x_ = make_axis(x_low, x_high, 1, 10, kLeft, kWidth - kRight);
    x_.low = x_low - 0.5;  // points keep off the frame; the ticks stay on whole numbers
    x_.high = std::max(x_high, x_low) + 0.5;
    y_ = make_axis(y_low - widen, y_high + widen, 0, 5, kHeight - kBottom, kTop);
  }

  std::string run(const std::string& label, const std::string& x_title,
                  const std::string& y_title) {
    add("<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", kWidth,
        kHeight, escape_html(label));
    grid(x_title, y_title);
    for (std::size_t i = 0; i < series_.size(); ++i) line(i);
    out_ += "</svg>";
    return out_;
  }

 private:
  template <class... Args>
  void add(const char* format, const Args&... args) {
    fmt::format_to(std::back_inserter(out_), fmt::runtime(format), args...);
  }

  void grid(const std::string& x_title, const std::string& y_title) {
    for (double y = y_.low; y <= y_.high + y_.step / 2; y += y_.step) {
      add("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft,
          kWidth - kRight, y_.at(y));
      add("<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1f}\">{:g}</text>", kLeft - 8,
          y_.at(y) + 4, std::round(y / y_.step) * y_.step);
    }
    const double first = std::ceil(x_.low / x_.step) * x_.step + 0.0;  // not -0
    for (double x = first; x <= x_.high; x += x_.step) {
      add("<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{}\">{:g}</text>", x_.at(x),
          kHeight - kBottom + 17, x);
    }
    add("<text class=\"axis\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
        (kLeft + kWidth - kRight) / 2, kHeight - 6, escape_html(x_title));
    const double middle = (kTop + kHeight - kBottom) / 2;
    add("<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(12 {}) rotate(-90)\">{}"
        "</text>",
        middle, escape_html(y_title));
  }

  void line(std::size_t index) {
    const Series& series = series_[index];
    add("<g class=\"s{}\"><polyline points=\"", index % kSeriesColors);
    for (const auto& [x, y] : series.points) add("{:.1f},{:.1f} ", x_.at(x), y_.at(y));
    out_ += "\"/>";
    for (const auto& [x, y] : series.points) {
      add("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{} {:g}: {:.2f} dB</title></circle>",
          x_.at(x), y_.at(y), escape_html(series.label), x, y);
    }
    out_ += "</g>";
  }

  const std::vector<Series>& series_;
  Axis x_{}, y_{};
  std::string out_;
};

}  // namespace

std::string bar_chart(const std::string& title, const std::string& note,
                      const std::vector<Bar>& bars) {
  double largest = 0;
  for (const Bar& bar : bars) largest = std::max(largest, bar.value);
  std::string out = fmt::format("<figure class=\"bars\"><figcaption><b>{}</b> {}</figcaption><dl>",
                                escape_html(title), escape_html(note));
  for (const Bar& bar : bars) {
    const double percent = largest > 0 ? 100 * bar.value / largest : 0;
    out += fmt::format(
        "<dt>{}</dt><dd{}><span class=\"track\"><i style=\"width:{:.1f}%\"></i></span>"
        "<span class=\"v\">{}</span></dd>",
        escape_html(bar.label), bar.muted ? " class=\"muted\"" : "", percent,
        escape_html(bar.shown));
  }
  return out + "</dl></figure>";
}

std::string line_chart(const std::string& label, const std::string& x_title,
                       const std::string& y_title, const std::vector<Series>& series) {
  std::string out = "<figure>" + LineChart(series).run(label, x_title, y_title);
  out += "<ul class=\"legend\">";
  for (std::size_t i = 0; i < series.size(); ++i) {
    out +=
        fmt::format("<li class=\"s{}\">{}</li>", i % kSeriesColors, escape_html(series[i].label));
  }
  return out + "</ul></figure>";
}

}  // namespace lowp::cli
