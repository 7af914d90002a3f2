// The part of the report on one run of `lowp quantize`: what became of each layer.
#pragma once

#include <string>
#include <vector>

#include "cli/report_chart.h"
#include "cli/report_data.h"

namespace lowp::cli {

// SQNR by block, a line for each kind of layer ("mlp.down_proj"); empty if layers are not numbered.
std::vector<Series> sqnr_by_kind(const QuantizeRun& run);

// SQNR by block, averaged over the layers of the block.
Series mean_sqnr(const QuantizeRun& run);

// The section with totals, plot and tables.
std::string run_section(const QuantizeRun& run);

}  // namespace lowp::cli
