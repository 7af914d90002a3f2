// Text and numbers for the cells of an HTML page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lowp::cli {

// For text and for quoted attributes. What is not UTF-8 becomes U+FFFD, control characters too.
std::string escape_html(std::string_view text);

// "-" where there is no number. `format` is fmt's, such as "{:.2f}".
std::string html_number(std::optional<double> value, const char* format);

std::string html_percent(std::optional<double> share, int decimals);

// Decimal units, as disks and downloads are sold: "257 MB".
std::string html_bytes(std::optional<double> bytes);

// A cell of a table that can be sorted: the number is its key.
std::string number_cell(std::optional<double> key, const std::string& shown);
std::string text_cell(std::string_view text);

}  // namespace lowp::cli
