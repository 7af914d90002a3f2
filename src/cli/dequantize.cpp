// lowp dequantize DIR -o OUT: a compressed-tensors checkpoint as an ordinary one.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/compressed_tensors.h"
#include "checkpoint/compressed_tensors_config.h"
#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_directory.h"
#include "cli/output_directory.h"
#include "kernels/runtime/thread_pool.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;
using checkpoint::TensorSpec;
using checkpoint::TensorView;

struct Options {
  fs::path model;
  fs::path output;
  std::string dtype = "bf16";
  int threads = 0;
  bool force = false;
  bool quiet = false;
};

// A weight and where it comes from: a tensor as it is, or the parts of a quantized one.
struct Source {
  TensorSpec spec;
  const TensorView* plain = nullptr;
  const Scheme* scheme = nullptr;
};

// A quantized layer is found by its scale; its other tensors come with it.
bool is_part_of_quantized(const checkpoint::ModelFiles& files, std::string_view name) {
  const std::string_view module = module_of(name);
  const std::string_view part = name.substr(module.size());
  return part.starts_with(".weight") && files.find(fmt::format("{}.weight_scale", module));
}

class Dequantizer {
 public:
  explicit Dequantizer(const Options& options)
      : options_(options),
        files_(options.model),
        pool_(options.threads),
        dtype_(options.dtype == "f32" ? DType::kF32 : DType::kBF16) {
    const fs::path config = options.model / "config.json";
    model_config_ = nlohmann::json::parse(read_text_file(config), nullptr, false);
    auto read = checkpoint::read_compressed_tensors_config(model_config_, config.string());
    if (!read) {
      throw Error(
          fmt::format("[dequantize] '{}' lacks quantization_config: the model is not "
                      "quantized",
                      config.string()));
    }
    config_ = std::move(*read);
  }

  void run() {
    OutputDirectory output(options_.output, options_.force);
    nlohmann::json weight_map = nlohmann::json::object();
    for (const checkpoint::Safetensors& file : files_.files()) {
      const std::string name = file.path().filename().string();
      output.add(name);
      for (const std::string& tensor : write_shard(file)) weight_map[tensor] = name;
    }
    if (files_.is_sharded()) {
      output.add(kModelIndex);
      checkpoint::write_file_atomically(options_.output / kModelIndex,
                                        model_index(weight_map, total_bytes_));
    }
    for (const std::string& name : copy_model_texts(options_.model, options_.output)) {
      output.add(name);
    }
    model_config_.erase("quantization_config");
    model_config_["dtype"] = dtype_ == DType::kF32 ? "float32" : "bfloat16";
    model_config_.erase("torch_dtype");
    output.add("config.json");
    checkpoint::write_file_atomically(options_.output / "config.json",
                                      model_config_.dump(2, ' ', true) + "\n");
    output.keep();
  }

 private:
  std::vector<Source> plan(const checkpoint::Safetensors& file) const {
    std::vector<Source> sources;
    for (const TensorView& tensor : file.tensors()) {
      if (!is_part_of_quantized(files_, tensor.name)) {
        sources.push_back({{tensor.name, tensor.dtype, tensor.shape}, &tensor, nullptr});
        continue;
      }
      if (!tensor.name.ends_with(".weight_scale")) continue;
      const std::string_view module = module_of(tensor.name);
      const Scheme* scheme = config_.scheme_of(module);
      if (scheme == nullptr) {
        throw Error(fmt::format("[dequantize] '{}': quantization_config has no scheme for '{}'",
                                options_.model.string(), module));
      }
      const auto [n, k] = checkpoint::compressed_tensors_shape(files_, module, *scheme);
      sources.push_back({{fmt::format("{}.weight", module), dtype_, {n, k}}, nullptr, scheme});
    }
    return sources;
  }

  std::vector<std::string> write_shard(const checkpoint::Safetensors& file) {
    const std::vector<Source> sources = plan(file);
    std::vector<TensorSpec> specs;
    std::vector<std::string> names;
    for (const Source& source : sources) {
      specs.push_back(source.spec);
      names.push_back(source.spec.name);
      total_bytes_ += checkpoint::byte_size(source.spec.dtype, source.spec.shape, names.back());
    }
    checkpoint::SafetensorsWriter writer(options_.output / file.path().filename(), specs,
                                         {{"format", "pt"}});
    for (const Source& source : sources) {
      if (source.plain != nullptr) {
        writer.write(source.spec.name, source.plain->data);
        continue;
      }
      const QuantizedWeight weight = checkpoint::read_compressed_tensors(
          files_, module_of(source.spec.name), *source.scheme, dtype_);
      std::vector<std::byte> data(static_cast<std::size_t>(weight.n * weight.k * bits(dtype_) / 8));
      dequantize_weight(weight, {data.data(), dtype_, weight.n, weight.k, weight.k},
                        pool_.parallel_for());
      writer.write(source.spec.name, data);
    }
    writer.commit();
    return names;
  }

  const Options& options_;
  checkpoint::ModelFiles files_;
  kernels::ThreadPool pool_;
  DType dtype_;
  nlohmann::json model_config_;
  checkpoint::CompressedTensorsConfig config_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace

void add_dequantize_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "dequantize", "Turn a compressed-tensors checkpoint back into an ordinary one");
  command->add_option("model", options->model, "Quantized Hugging Face directory")->required();
  command->add_option("-o,--output", options->output, "Directory to write")->required();
  command->add_option("--dtype", options->dtype, "Type of the weights: bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads; 0 for all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--force", options->force,
                    "Replace the model in a directory that is not empty");
  command->add_flag("-q,--quiet", options->quiet, "No progress");
  command->footer("Example:\n  lowp dequantize SmolLM2-NVFP4 -o SmolLM2-rounded");
  command->callback([options] {
    set_quiet(options->quiet);
    Dequantizer(*options).run();
    note(fmt::format("{}: written", options->output.string()));
  });
}

}  // namespace lowp::cli
