#include "checkpoint/import_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf_blocks.h"
#include "checkpoint/safetensors_writer.h"
#include "formats/bf16.h"

namespace lowp::checkpoint {
namespace {

constexpr std::int64_t kPartElements = 1 << 20;

// Rows of one tensor that a thread dequantizes and writes at once. A vector is rows of one element
// where rows change places, otherwise one row.
struct Part {
  const ImportedTensor* tensor;
  std::int64_t first_row;
  std::int64_t rows;
};

// The tensor seen as rows: (rows, cols), cols a multiple of the type's block.
struct Rows {
  std::int64_t count;
  std::int64_t cols;
};

Rows rows_of(const ImportedTensor& tensor) {
  if (tensor.shape.size() == 1) {
    return tensor.interleaved_heads > 0 ? Rows{tensor.shape[0], 1} : Rows{1, tensor.shape[0]};
  }
  return {tensor.shape[0], tensor.shape[1]};
}

std::vector<Part> plan_parts(std::span<const ImportedTensor> tensors) {
  std::vector<Part> parts;
  for (const ImportedTensor& tensor : tensors) {
    const Rows rows = rows_of(tensor);
    const std::int64_t step = std::max<std::int64_t>(1, kPartElements / rows.cols);
    for (std::int64_t row = 0; row < rows.count; row += step) {
      parts.push_back({&tensor, row, std::min(step, rows.count - row)});
    }
  }
  return parts;
}

// The row in the file of row `row` of the parameter.
std::int64_t source_row(const ImportedTensor& tensor, std::int64_t row) {
  if (tensor.interleaved_heads == 0) return row;
  const std::int64_t head_dim = tensor.shape[0] / tensor.interleaved_heads;
  const std::int64_t head = row / head_dim;
  const std::int64_t half = row % head_dim / (head_dim / 2);
  const std::int64_t pair = row % (head_dim / 2);
  return head * head_dim + 2 * pair + half;
}

void subtract_one(std::span<float> values) {
  for (float& x : values) x -= 1.0F;
}

// values: (part.rows, cols)
template <class Out>
void dequantize_part(const Part& part, std::span<Out> values) {
  const ImportedTensor& tensor = *part.tensor;
  const std::int64_t cols = rows_of(tensor).cols;
  const GgufTypeInfo type = gguf_type_info(tensor.source->type);
  const std::int64_t row_bytes = cols / type.block_elements * type.block_bytes;
  const std::byte* data = tensor.source->data.data();
  if (tensor.interleaved_heads == 0) {
    const auto source =
        tensor.source->data.subspan(part.first_row * row_bytes, part.rows * row_bytes);
    dequantize_gguf(tensor.source->type, source.data(), part.rows * cols, values.data());
    release_pages(source);
    return;
  }
  for (std::int64_t i = 0; i < part.rows; ++i) {
    dequantize_gguf(tensor.source->type, data + source_row(tensor, part.first_row + i) * row_bytes,
                    cols, values.data() + i * cols);
  }
}

void write_part(SafetensorsWriter& writer, const Part& part, DType dtype) {
  const std::int64_t cols = rows_of(*part.tensor).cols;
  const auto elements = static_cast<std::size_t>(part.rows * cols);
  const std::uint64_t offset = static_cast<std::uint64_t>(part.first_row * cols) *
                               static_cast<std::uint64_t>(bits(dtype)) / 8;
  std::vector<float> floats;
  std::vector<std::uint16_t> codes;
  if (dtype == DType::kF32 || part.tensor->subtract_one) {
    floats.resize(elements);
    dequantize_part<float>(part, floats);
    if (part.tensor->subtract_one) subtract_one(floats);
  } else {
    codes.resize(elements);
    dequantize_part<std::uint16_t>(part, codes);
  }
  if (dtype == DType::kF32) {
    writer.write_at(part.tensor->name, offset, std::as_bytes(std::span(floats)));
    return;
  }
  if (codes.empty()) {
    codes.resize(elements);
    std::transform(floats.begin(), floats.end(), codes.begin(), Bf16::from_float);
  }
  writer.write_at(part.tensor->name, offset, std::as_bytes(std::span(codes)));
}

std::int64_t bytes_of(const ImportedTensor& tensor, DType dtype) {
  return tensor.source->element_count() * bits(dtype) / 8;
}

}  // namespace

std::vector<Shard> plan_shards(std::span<const ImportedTensor> tensors,
                               const ImportOptions& options) {
  std::vector<Shard> shards;
  std::size_t first = 0;
  std::int64_t bytes = 0;
  const auto close = [&](std::size_t end) {
    if (end > first) shards.push_back({"", tensors.subspan(first, end - first), bytes});
    first = end;
    bytes = 0;
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t size = bytes_of(tensors[i], options.dtype);
    if (bytes + size > options.max_shard_bytes) close(i);
    bytes += size;
  }
  close(tensors.size());
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  }
  return shards;
}

void write_shard(const std::filesystem::path& directory, const Shard& shard,
                 const ImportOptions& options) {
  std::vector<TensorSpec> specs;
  for (const ImportedTensor& tensor : shard.tensors) {
    specs.push_back({tensor.name, options.dtype, tensor.shape});
  }
  SafetensorsWriter writer(directory / shard.file, std::move(specs), {{"format", "pt"}});
  const std::vector<Part> parts = plan_parts(shard.tensors);
  kernels::parallel_for(
      options.parallel, static_cast<std::int64_t>(parts.size()), 1,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const Part& part = parts[static_cast<std::size_t>(i)];
          write_part(writer, part, options.dtype);
          if (!options.on_progress) continue;
          options.on_progress(part.rows * rows_of(*part.tensor).cols * bits(options.dtype) / 8);
        }
      });
  writer.commit();
}

std::string shard_index(std::span<const Shard> shards) {
  std::int64_t total = 0;
  nlohmann::ordered_json weight_map = nlohmann::ordered_json::object();
  for (const Shard& shard : shards) {
    total += shard.bytes;
    for (const ImportedTensor& tensor : shard.tensors) weight_map[tensor.name] = shard.file;
  }
  const nlohmann::ordered_json index{{"metadata", {{"total_size", total}}},
                                     {"weight_map", std::move(weight_map)}};
  return index.dump(2) + "\n";
}

}  // namespace lowp::checkpoint
