// Quantizes the shards of a plan, streaming: no tensor is ever whole in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/quantize_plan.h"

namespace lowp::cli {

struct ShardOptions {
  int threads = 1;
  std::function<void(std::int64_t bytes)> on_progress;  // source bytes; from any thread
  // A shard is complete under its final name; its rows of the report. One call at a time.
  std::function<void(const ShardPlan&, const std::vector<nlohmann::ordered_json>&)> on_shard;
};

// Writes the shards whose names are not in `done` into `output`.
void quantize_shards(const QuantizePlan& plan, const std::filesystem::path& output,
                     const std::set<std::string>& done, const ShardOptions& options);

}  // namespace lowp::cli
