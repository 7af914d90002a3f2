// The HTML of `lowp report`: one page without anything from elsewhere.
#pragma once

#include <string>

#include "cli/report_data.h"

namespace lowp::cli {

// Every text of the data is escaped.
std::string report_html(const ReportData& data);

}  // namespace lowp::cli
