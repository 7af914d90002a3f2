// The sizes of amx_panels_inl.h, and the tile registers' scope. For level amx.
#pragma once

#include <array>

#include "kernels/linear_common/avx512_transpose_inl.h"
#include "kernels/linear_common/avx512_vector_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kTileSide = 16;  // rows of a tile register, each of 64 bytes
constexpr std::int64_t kTileRows = 32;  // rows of x that two by two tiles of sums take
constexpr std::int64_t kPanelColumns = kAmxPanelColumns;
constexpr std::int64_t kPanelSteps = 256;  // 1 KiB of a row decoded, for long reads of codes

// Every tile register at full size while it lives.
struct TileScope {
  TileScope() {
    struct alignas(64) Config {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::array<std::uint8_t, 14> reserved{};
      std::array<std::uint16_t, 16> row_bytes{};
      std::array<std::uint8_t, 16> rows{};
    } config;
    for (std::size_t i = 0; i < 8; ++i) {
      config.row_bytes[i] = 64;
      config.rows[i] = kTileSide;
    }
    // GCC 12 believes that 8 bytes are read, and drops the stores of the others.
    asm volatile("" ::: "memory");
    _tile_loadconfig(&config);
  }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

}  // namespace
}  // namespace lowp::kernels
