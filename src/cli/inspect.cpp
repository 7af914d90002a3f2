// lowp inspect PATH: what is in a GGUF file, a safetensors file or a model directory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/gguf_cursor.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/inspection.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

using checkpoint::printable;
using nlohmann::ordered_json;

struct Options {
  std::filesystem::path path;
  bool summary = false;
  bool json = false;
};

struct DTypeTotal {
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
};

std::map<std::string, DTypeTotal> totals_by_dtype(const Inspection& inspection) {
  std::map<std::string, DTypeTotal> totals;
  for (const InspectedTensor& tensor : inspection.tensors) {
    DTypeTotal& total = totals[tensor.dtype];
    ++total.tensors;
    total.parameters += tensor.parameters;
    total.bytes += tensor.bytes;
  }
  return totals;
}

ordered_json to_json(const Inspection& inspection, bool summary) {
  ordered_json json{{"path", inspection.path.string()},
                    {"ok", true},
                    {"format", inspection.format},
                    {"tensor_count", inspection.tensors.size()},
                    {"parameters", inspection.parameters()},
                    {"bytes", inspection.bytes()},
                    {"bits_per_weight", inspection.bits_per_weight()}};
  for (const auto& [dtype, total] : totals_by_dtype(inspection)) {
    json["dtypes"][dtype] = {
        {"tensors", total.tensors}, {"parameters", total.parameters}, {"bytes", total.bytes}};
  }
  json["metadata"] = inspection.metadata;
  json["checks"] = inspection.checks;
  if (summary) return json;
  json["tensors"] = ordered_json::array();
  for (const InspectedTensor& tensor : inspection.tensors) {
    ordered_json row{{"name", tensor.name},
                     {"dtype", tensor.dtype},
                     {"shape", tensor.shape},
                     {"bytes", tensor.bytes}};
    if (!tensor.file.empty()) row["file"] = tensor.file;
    json["tensors"].push_back(std::move(row));
  }
  return json;
}

std::string tensor_table(const Inspection& inspection) {
  const bool sharded = !inspection.tensors.empty() && !inspection.tensors[0].file.empty();
  std::vector<Table::Column> columns{
      {"tensor"}, {"type"}, {"shape"}, {"bytes", Table::Align::kRight}};
  if (sharded) columns.push_back({"file"});
  Table table(columns);
  for (const InspectedTensor& tensor : inspection.tensors) {
    table.add_row({printable(tensor.name), tensor.dtype,
                   fmt::format("({})", fmt::join(tensor.shape, ", ")),
                   fmt::format("{}", tensor.bytes), printable(tensor.file)});
  }
  return table.to_string();
}

std::string dtype_table(const Inspection& inspection) {
  Table table({{"type"},
               {"tensors", Table::Align::kRight},
               {"parameters", Table::Align::kRight},
               {"bytes", Table::Align::kRight},
               {"bits per weight", Table::Align::kRight}});
  const auto add = [&](const std::string& name, const DTypeTotal& total) {
    const double bits = 8.0 * static_cast<double>(total.bytes);
    table.add_row({name, fmt::format("{}", total.tensors), human_count(total.parameters),
                   human_bytes(total.bytes),
                   total.parameters == 0
                       ? ""
                       : fmt::format("{:.2f}", bits / static_cast<double>(total.parameters))});
  };
  DTypeTotal all;
  for (const auto& [dtype, total] : totals_by_dtype(inspection)) {
    add(dtype, total);
    all.tensors += total.tensors;
    all.parameters += total.parameters;
    all.bytes += total.bytes;
  }
  add("all", all);
  return table.to_string();
}

// One row a value; the keys of nested objects are joined by dots.
void add_values(const std::string& prefix, const ordered_json& object, Table& table) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object() && !value.contains("array_of")) {
      add_values(prefix + key + ".", value, table);
    } else if (value.is_object()) {
      table.add_row({printable(prefix + key), fmt::format("{} of {}", value["length"].dump(),
                                                          value["array_of"].get<std::string>())});
    } else {
      const std::string text =
          value.is_string() ? value.get<std::string>()
                            : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
      table.add_row({printable(prefix + key), printable(text)});
    }
  }
}

std::string metadata_table(const Inspection& inspection) {
  Table table({{"key"}, {"value"}});
  add_values("", inspection.metadata, table);
  return table.to_string();
}

void print_text(const Inspection& inspection, bool summary) {
  if (!summary) fmt::print("{}\n", tensor_table(inspection));
  if (!inspection.metadata.empty()) fmt::print("{}\n", metadata_table(inspection));
  fmt::print("{}\n", dtype_table(inspection));
  for (const std::string& check : inspection.checks) fmt::print("ok  {}\n", check);
  fmt::print("{}: {}, {} tensors, {} parameters, {}, {:.2f} bits per weight\n",
             inspection.path.string(), inspection.format, inspection.tensors.size(),
             human_count(inspection.parameters()), human_bytes(inspection.bytes()),
             inspection.bits_per_weight());
}

void run_inspect(const Options& options) {
  try {
    const Inspection inspection = inspect(options.path);
    if (options.json) {
      print_json(to_json(inspection, options.summary));
    } else {
      print_text(inspection, options.summary);
    }
  } catch (const Error& error) {
    if (options.json) {
      print_json({{"path", options.path.string()}, {"ok", false}, {"error", error.what()}});
    }
    throw;
  }
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "inspect", "List and check the tensors of a GGUF file, a safetensors file or a model");
  command->add_option("path", options->path, "File or directory")->required();
  command->add_flag("--summary", options->summary, "Leave out the list of tensors");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer(
      "Exits with 1 if a file is broken or missing.\n\n"
      "Example:\n  lowp inspect SmolLM2-135M --summary");
  command->callback([options] { run_inspect(*options); });
}

}  // namespace lowp::cli
