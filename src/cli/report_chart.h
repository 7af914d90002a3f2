// Charts of `lowp report`, as inline SVG or HTML that CSS colours.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lowp::cli {

struct Bar {
  std::string label;
  double value;        // not negative
  std::string shown;   // the value with its unit
  bool muted = false;  // what the others are compared with
};

// Bars from a common zero, each with its number.
std::string bar_chart(const std::string& title, const std::string& note,
                      const std::vector<Bar>& bars);

struct Series {
  std::string label;
  std::vector<std::pair<double, double>> points;  // x ascending
};

constexpr std::size_t kSeriesColors = 8;

// Lines with a mark at each point. `label` is for who cannot see it.
std::string line_chart(const std::string& label, const std::string& x_title,
                       const std::string& y_title, const std::vector<Series>& series);

}  // namespace lowp::cli
