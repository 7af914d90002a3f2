#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace lowp::cli {
namespace {

std::atomic<bool> quiet{false};

// Three significant digits, the largest unit that leaves at least 1.
std::string scaled(std::int64_t value, double base, const std::array<const char*, 6>& units,
                   std::string_view smallest) {
  auto number = static_cast<double>(value);
  if (number < base) return fmt::format("{}{}", value, smallest);
  std::size_t unit = 0;
  number /= base;
  while (number >= base && unit + 1 < units.size()) {
    number /= base;
    ++unit;
  }
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", number, decimals, units[unit]);
}

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

void set_quiet(bool on) { quiet = on; }

void note(std::string_view text) {
  if (!quiet) fmt::print(stderr, "{}\n", text);
}

void print_json(const nlohmann::ordered_json& json) {
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  fmt::print("{}\n", json.dump(2, ' ', false, kReplace));
}

std::string human_bytes(std::int64_t bytes) {
  return scaled(bytes, 1024, {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, " B");
}

std::string human_count(std::int64_t count) {
  return scaled(count, 1000, {"K", "M", "B", "T", "P", "E"}, "");
}

std::string human_duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(std::int64_t total, std::string label, Unit unit)
    : total_(std::max<std::int64_t>(total, 0)),
      label_(std::move(label)),
      unit_(unit),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (quiet || !terminal_) return;
  draw_bar();
  fmt::print(stderr, "\n");
}

void Progress::update(std::int64_t n) {
  const std::lock_guard lock(mutex_);
  done_ += n;
  if (quiet) return;
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    draw_bar();
  } else {
    const bool finished = done_ >= total_ && done_ - n < total_;
    if (now - drawn_ < std::chrono::seconds(5) && !finished) return;
    print_line();
  }
  drawn_ = now;
}

std::string Progress::figures() const {
  const auto human = unit_ == Unit::kBytes ? human_bytes : human_count;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  std::string text =
      fmt::format("{} of {}, {}", human(done_), human(total_), human_duration(elapsed.count()));
  if (unit_ == Unit::kBytes && elapsed.count() > 0.1) {
    const double rate = static_cast<double>(done_) / elapsed.count();
    text += fmt::format(", {}/s", human_bytes(static_cast<std::int64_t>(rate)));
  }
  return text;
}

void Progress::draw_bar() {
  constexpr int kWidth = 30;
  const double fraction =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0)
                 : 1.0;
  const int filled = static_cast<int>(fraction * kWidth);
  // \033[K clears what a longer line left behind.
  fmt::print(stderr, "\r{} [{:=<{}}{:{}}] {:3.0f} %  {}\033[K", label_, "", filled, "",
             kWidth - filled, 100 * fraction, figures());
  std::fflush(stderr);
}

void Progress::print_line() { fmt::print(stderr, "{}: {}\n", label_, figures()); }

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
  std::vector<std::string> titles;
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    widths.push_back(count_code_points(column.title));
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], count_code_points(row[i]));
    }
  }

  std::string text;
  const auto append_row = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - count_code_points(cells[i]), ' ');
      if (i != 0) line += "  ";
      line += columns_[i].align == Align::kRight ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  append_row(titles);
  std::vector<std::string> rules;
  for (const std::size_t width : widths) rules.emplace_back(width, '-');
  append_row(rules);
  for (const auto& row : rows_) append_row(row);
  return text;
}

}  // namespace lowp::cli
