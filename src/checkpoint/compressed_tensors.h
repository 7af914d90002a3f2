// The on-disk tensors of the compressed-tensors package (0.20): what a quantized weight becomes,
// and back. Layouts by compressed_tensors/compressors; the configuration is in
// compressed_tensors_config.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/model_files.h"
#include "checkpoint/safetensors_header.h"
#include "schemes/quantized_weight.h"

namespace lowp::checkpoint {

// Why compressed-tensors cannot express the scheme; empty if it can.
std::string why_not_compressed_tensors(const Scheme& scheme);

// The tensors that replace `MODULE.weight` (n, k) of `dtype`; dtype is that of the scales.
std::vector<TensorSpec> compressed_tensors_specs(const Scheme& scheme, std::string_view module,
                                                 std::int64_t n, std::int64_t k, DType dtype);

// As quantize_weight_into, with the arithmetic that makes the stored tensors: scales in the
// weight's dtype, NVFP4 by the reciprocal of its tensor scale. `amax` is that of all weights which
// share a scale; only schemes with one scale a tensor use it.
void quantize_compressed_tensors(QuantizedWeight& out, const Scheme& scheme,
                                 const kernels::Matrix& weight, float amax,
                                 const kernels::ParallelFor* parallel = nullptr);
// Whether the scheme needs that amax.
bool needs_amax(const Scheme& scheme);

// Encodes rows of a weight as bytes of its on-disk tensors. Parts of a weight may come in any
// order, each from its own encoder; their first rows are multiples of kRowAlignment.
class CompressedTensorsEncoder {
 public:
  static constexpr std::int64_t kRowAlignment = 128;

  // Bytes of tensor `MODULE.suffix` from `offset` on; the span is valid during the call.
  using Write = std::function<void(std::string_view suffix, std::uint64_t offset,
                                   std::span<const std::byte> data)>;

  // `rows` holds rows [begin, begin + rows.n) of a weight with n rows. Tensors that do not grow
  // with the rows come with the first ones.
  void encode(const QuantizedWeight& rows, std::int64_t begin, std::int64_t n, const Write& write);

 private:
  std::vector<std::byte> scratch_;
};

// (N, K) of the weight of `module`. Throws as read_compressed_tensors.
std::pair<std::int64_t, std::int64_t> compressed_tensors_shape(const ModelFiles& files,
                                                               std::string_view module,
                                                               const Scheme& scheme);

// The weight of `module`, quantized under `scheme`. Throws lowp::Error that names file, tensor and
// value if a tensor is missing or has another dtype or shape than the scheme says. `dtype` becomes
// QuantizedWeight::dtype.
QuantizedWeight read_compressed_tensors(const ModelFiles& files, std::string_view module,
                                        const Scheme& scheme, DType dtype = DType::kBF16);

}  // namespace lowp::checkpoint
