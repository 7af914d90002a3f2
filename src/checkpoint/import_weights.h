#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/import_tensors.h"
#include "formats/dtype.h"
#include "kernels/runtime/parallel.h"

namespace lowp::checkpoint {

struct ImportOptions {
  DType dtype = DType::kBF16;                    // or kF32
  std::int64_t max_shard_bytes = 5'000'000'000;  // as transformers splits; a tensor is never split
  const kernels::ParallelFor* parallel = nullptr;
  std::function<void(std::int64_t)> on_progress;  // bytes written, from any thread; may be empty
};

// One safetensors file, its tensors in the order of `tensors`.
struct Shard {
  std::string file;  // model.safetensors, or model-00001-of-00003.safetensors
  std::span<const ImportedTensor> tensors;
  std::int64_t bytes;  // of the tensors' data
};

std::vector<Shard> plan_shards(std::span<const ImportedTensor> tensors,
                               const ImportOptions& options);

// Dequantizes the tensors of one shard into `directory`. Memory: a few MB a thread.
// The file has its name only once it is complete. Throws lowp::Error.
void write_shard(const std::filesystem::path& directory, const Shard& shard,
                 const ImportOptions& options);

// The text of model.safetensors.index.json.
std::string shard_index(std::span<const Shard> shards);

}  // namespace lowp::checkpoint
