// The output directory of `lowp quantize`: what is already there, what a killed run left, and the
// files beside the weights.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/model_files.h"
#include "cli/quantize_plan.h"

namespace lowp::cli {

// Owns the directory while it is filled. A small file `.lowp-quantize.json` lists the shards that
// are complete, with their rows of the report, until the last file is written: --resume reads it.
class QuantizeOutput {
 public:
  enum class Existing { kRefuse, kResume, kReplace };

  // Throws lowp::Error if the directory cannot be written, is in use, is not empty (kRefuse) or was
  // begun with another recipe or source (kResume).
  QuantizeOutput(std::filesystem::path directory, const checkpoint::ModelFiles& source,
                 nlohmann::ordered_json recipe, Existing existing);
  ~QuantizeOutput();
  QuantizeOutput(const QuantizeOutput&) = delete;
  QuantizeOutput& operator=(const QuantizeOutput&) = delete;

  bool is_complete() const { return complete_; }  // an earlier run had finished
  std::set<std::string> done() const;
  std::vector<nlohmann::ordered_json> rows(const std::string& shard) const;

  // Throws lowp::Error if the disk has less room than the remaining shards need.
  void check_room(const QuantizePlan& plan) const;
  void add_shard(const ShardPlan& shard, const std::vector<nlohmann::ordered_json>& rows);

  // Index, the source's other files, the recipe and, last of all, config.json.
  void finish(const QuantizePlan& plan, const nlohmann::json& model_config);

 private:
  void read_progress();
  void write_progress() const;
  void lock();

  std::filesystem::path directory_;
  std::filesystem::path source_;
  nlohmann::ordered_json identity_;  // recipe and source
  nlohmann::ordered_json shards_;    // complete ones: file to rows
  std::string recipe_text_;
  bool complete_ = false;
  int lock_ = -1;
};

// config.json of a model that is not quantized yet. Throws lowp::Error otherwise.
nlohmann::json read_model_config(const std::filesystem::path& directory);

}  // namespace lowp::cli
