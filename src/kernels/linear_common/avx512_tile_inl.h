// The size of panels_inl.h's tile and what it needs beyond avx512_vector_inl.h, for AVX-512 levels.
#pragma once

#include "kernels/linear_common/avx512_transpose_inl.h"
#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kTileRows = 8;      // rows of x in registers
constexpr std::int64_t kTileVectors = 3;   // vectors of columns in registers: 24 accumulators
constexpr std::int64_t kPanelSteps = 128;  // 24 KiB of decoded weight: stays in L1
constexpr std::int64_t kBlockPanels = 4;   // panels that share one decoded block of x
constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kPanelColumns = kTileVectors * kLanes;
constexpr std::int64_t kRowsAhead = 0;  // x is not read ahead
constexpr bool kUnrollsNarrow = false;

}  // namespace
}  // namespace lowp::kernels
