// What every command prints with: progress on stderr, human sizes, tables on stdout.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lowp::cli {

// Silences Progress and note(); what a command was asked for and its errors are still printed.
void set_quiet(bool quiet);

// One line on stderr, unless quiet.
void note(std::string_view text);

// The result of --json on stdout, indented. Bytes that are not UTF-8, as a path may hold, become
// U+FFFD.
void print_json(const nlohmann::ordered_json& json);

// Binary units, three digits: "512 B", "1.50 KiB", "23.4 MiB".
std::string human_bytes(std::int64_t bytes);
// Decimal units, three digits: "950", "1.23 K", "135 M".
std::string human_count(std::int64_t count);
// "0.12 s", "45 s", "3 min 20 s", "2 h 05 min".
std::string human_duration(double seconds);

// A bar that is redrawn in place where stderr is a terminal, otherwise a line every 5 s and
// one when the work is done. May be updated from several threads.
class Progress {
 public:
  enum class Unit : std::uint8_t { kCount, kBytes };

  Progress(std::int64_t total, std::string label, Unit unit = Unit::kCount);
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Adds n to what is done.
  void update(std::int64_t n);

 private:
  void draw_bar();
  void print_line();
  std::string figures() const;

  const std::int64_t total_;
  const std::string label_;
  const Unit unit_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;  // guards what follows
  std::chrono::steady_clock::time_point drawn_;
  std::int64_t done_ = 0;
};

// Rows of text in aligned columns: a header, a rule, the rows.
class Table {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  // One cell a column.
  void add_row(std::vector<std::string> cells);
  // Ends with a newline. Widths count code points, not bytes.
  std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace lowp::cli
