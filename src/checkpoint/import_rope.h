#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf_fields.h"

namespace lowp::checkpoint {

// rope_scaling of config.json, null where the embedding is not scaled. Linear and YaRN scaling
// stand in the metadata; Llama 3's is found from the factors that llama.cpp writes as the tensor
// rope_freqs.weight, (head_dim / 2) F32. Throws lowp::Error for scaling of another kind.
nlohmann::ordered_json read_rope_scaling(const Gguf& gguf, const GgufFields& fields, double theta,
                                         std::int64_t head_dim);

}  // namespace lowp::checkpoint
