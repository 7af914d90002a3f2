#include "cli/quantize_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "checkpoint/compressed_tensors.h"
#include "checkpoint/safetensors_writer.h"
#include "cli/quantize_report.h"
#include "cli/quantize_tasks.h"
#include "schemes/distortion.h"
#include "schemes/quantized_weight.h"

namespace lowp::cli {
namespace {

using checkpoint::CompressedTensorsEncoder;
using checkpoint::SafetensorsWriter;
using checkpoint::TensorView;
using Clock = std::chrono::steady_clock;

// Source bytes of a piece, a quarter of what run_tasks reads at once: the passes over it stay in
// the last-level cache, and what a piece writes is large enough that the pages it shares with its
// neighbours do not matter (512 KB: a third more time in the kernel for W4A16). The pieces do not
// depend on the number of threads, so neither do the sums of the report.
constexpr std::int64_t kPieceBytes = 2 << 20;

struct Piece {
  std::int64_t begin;  // rows
  std::int64_t end;
};

std::vector<Piece> pieces_of(const TensorView& tensor, std::int64_t alignment) {
  const std::int64_t rows = tensor.shape[0];
  const std::int64_t row_bytes = tensor.shape[1] * bits(tensor.dtype) / 8;
  const std::int64_t wanted =
      std::max<std::int64_t>(1, kPieceBytes / std::max<std::int64_t>(1, row_bytes));
  const std::int64_t step = (wanted + alignment - 1) / alignment * alignment;
  std::vector<Piece> pieces;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    pieces.push_back({begin, std::min(rows, begin + step)});
  }
  return pieces;
}

// The rows of a piece, whose bytes are at `data`.
kernels::Matrix rows_of(const TensorView& tensor, const Piece& piece, const std::byte* data) {
  const std::int64_t k = tensor.shape[1];
  return {data, tensor.dtype, piece.end - piece.begin, k, k};
}

std::span<const std::byte> bytes_of(const TensorView& tensor, const Piece& piece) {
  const auto row_bytes = static_cast<std::size_t>(tensor.shape[1] * bits(tensor.dtype) / 8);
  return tensor.data.subspan(static_cast<std::size_t>(piece.begin) * row_bytes,
                             static_cast<std::size_t>(piece.end - piece.begin) * row_bytes);
}

// Largest |x| of the layers that share a scale, made on first use: fused layers may lie in several
// shards.
class SharedAmax {
 public:
  SharedAmax(const QuantizePlan& plan, int threads) : threads_(threads) {
    layers_.resize(plan.shared_amax_count);
    values_.resize(plan.shared_amax_count);
    for (const ShardPlan& shard : plan.shards) {
      for (const TensorPlan& tensor : shard.tensors) {
        if (tensor.scheme) layers_[tensor.shared_amax].push_back(&tensor);
      }
    }
  }

  // Computes what the shard needs.
  void prepare(const ShardPlan& shard) {
    std::vector<std::size_t> wanted;
    for (const TensorPlan& tensor : shard.tensors) {
      const bool needed = tensor.scheme && checkpoint::needs_amax(*tensor.scheme);
      if (!needed || values_[tensor.shared_amax]) continue;
      values_[tensor.shared_amax] = 0;
      wanted.push_back(tensor.shared_amax);
    }
    std::vector<Task> tasks;
    std::vector<std::pair<std::size_t, float>> results;
    for (const std::size_t index : wanted) {
      for (const TensorPlan* layer : layers_[index]) {
        for (const Piece& piece : pieces_of(*layer->source, 1)) {
          const std::size_t slot = results.size();
          results.emplace_back(index, 0.0F);
          tasks.push_back({layer->file, bytes_of(*layer->source, piece),
                           [&results, slot, layer, piece](int, const std::byte* data) {
                             results[slot].second = amax(rows_of(*layer->source, piece, data));
                           }});
        }
      }
    }
    run_tasks(tasks, threads_);
    for (const auto& [index, value] : results) {
      // The bits of magnitudes are ordered as they are, NaN last.
      if (std::bit_cast<std::uint32_t>(value) > std::bit_cast<std::uint32_t>(*values_[index])) {
        values_[index] = value;
      }
    }
  }

  float value(const TensorPlan& tensor) const { return values_[tensor.shared_amax].value_or(0); }

 private:
  int threads_;
  std::vector<std::vector<const TensorPlan*>> layers_;
  std::vector<std::optional<float>> values_;
};

// Buffers of one thread, reused from piece to piece.
struct Worker {
  QuantizedWeight weight;
  CompressedTensorsEncoder encoder;
};

struct PieceResult {
  Distortion distortion;
  double seconds = 0;
};

class ShardJob {
 public:
  ShardJob(const ShardPlan& plan, const std::filesystem::path& output, const SharedAmax& amax,
           const ShardOptions& options)
      : plan_(plan),
        amax_(amax),
        options_(options),
        writer_(output / plan.file, plan.outputs(), {{"format", "pt"}}),
        workers_(static_cast<std::size_t>(options.threads)),
        results_(plan.tensors.size()) {}

  void run() {
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      plan_.tensors[i].scheme ? add_quantize_tasks(tasks, i) : add_copy_tasks(tasks, i);
    }
    run_tasks(tasks, options_.threads);
  }

  void commit() { writer_.commit(); }

  std::vector<nlohmann::ordered_json> rows() const {
    std::vector<nlohmann::ordered_json> rows;
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      PieceResult sum;
      for (const PieceResult& piece : results_[i]) {
        sum.distortion += piece.distortion;
        sum.seconds += piece.seconds;
      }
      rows.push_back(layer_row(plan_.tensors[i],
                               plan_.tensors[i].scheme ? &sum.distortion : nullptr, sum.seconds));
    }
    return rows;
  }

 private:
  void add_quantize_tasks(std::vector<Task>& tasks, std::size_t index) {
    const TensorPlan& tensor = plan_.tensors[index];
    const bool blocks = tensor.scheme->granularity == Granularity::kBlock128;
    const bool words = tensor.scheme->mapping == Mapping::kAsymmetric;
    const std::vector<Piece> pieces =
        pieces_of(*tensor.source, blocks  ? CompressedTensorsEncoder::kRowAlignment
                                  : words ? 8
                                          : 1);
    results_[index].resize(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece piece = pieces[i];
      tasks.push_back({tensor.file, bytes_of(*tensor.source, piece),
                       [this, index, i, piece](int worker, const std::byte* data) {
                         timed(index, i, [&](PieceResult& result) {
                           result.distortion = quantize(plan_.tensors[index], piece, data, worker);
                         });
                       }});
    }
  }

  void add_copy_tasks(std::vector<Task>& tasks, std::size_t index) {
    const TensorView& source = *plan_.tensors[index].source;
    const auto step = static_cast<std::size_t>(kPieceBytes);
    results_[index].resize((source.data.size() + step - 1) / step);
    for (std::size_t i = 0; i < results_[index].size(); ++i) {
      const std::size_t begin = i * step;
      const auto bytes = source.data.subspan(begin, std::min(step, source.data.size() - begin));
      tasks.push_back(
          {plan_.tensors[index].file, bytes,
           [this, &source, index, i, begin, size = bytes.size()](int, const std::byte* data) {
             timed(index, i, [&](PieceResult&) {
               writer_.write_at(source.name, begin, {data, size});
             });
             progress(size);
           }});
    }
  }

  Distortion quantize(const TensorPlan& tensor, const Piece& piece, const std::byte* data,
                      int thread) {
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    const kernels::Matrix rows = rows_of(*tensor.source, piece, data);
    checkpoint::quantize_compressed_tensors(worker.weight, *tensor.scheme, rows,
                                            amax_.value(tensor));
    worker.encoder.encode(
        worker.weight, piece.begin, tensor.source->shape[0],
        [&](std::string_view suffix, std::uint64_t offset, std::span<const std::byte> data) {
          writer_.write_at(fmt::format("{}.{}", tensor.module, suffix), offset, data);
        });
    const Distortion result = distortion(worker.weight, rows);
    progress(bytes_of(*tensor.source, piece).size());
    return result;
  }

  template <class Body>
  void timed(std::size_t tensor, std::size_t piece, const Body& body) {
    const auto start = Clock::now();
    PieceResult& result = results_[tensor][piece];
    body(result);
    result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }

  void progress(std::size_t bytes) const {
    if (options_.on_progress) options_.on_progress(static_cast<std::int64_t>(bytes));
  }

  const ShardPlan& plan_;
  const SharedAmax& amax_;
  const ShardOptions& options_;
  SafetensorsWriter writer_;
  std::vector<Worker> workers_;                    // by thread
  std::vector<std::vector<PieceResult>> results_;  // by tensor and piece
};

}  // namespace

void quantize_shards(const QuantizePlan& plan, const std::filesystem::path& output,
                     const std::set<std::string>& done, const ShardOptions& options) {
  SharedAmax amax(plan, options.threads);
  // Making a file durable waits for the disk: the next shard is computed meanwhile.
  std::future<void> finishing;
  for (const ShardPlan& shard : plan.shards) {
    if (done.contains(shard.file)) continue;
    amax.prepare(shard);
    auto job = std::make_shared<ShardJob>(shard, output, amax, options);
    job->run();
    if (finishing.valid()) finishing.get();
    finishing = std::async(std::launch::async, [job = std::move(job), &shard, &options] {
      job->commit();
      if (options.on_shard) options.on_shard(shard, job->rows());
    });
  }
  if (finishing.valid()) finishing.get();
}

}  // namespace lowp::cli
