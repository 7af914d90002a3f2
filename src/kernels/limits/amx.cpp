#include "kernels/limits/loops.h"
#include "kernels/linear_common/amx_tile_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kRow = 64;           // bytes of a tile's row
constexpr int kTile = 512;         // of 16 bits
constexpr int kStepTiles = 4;      // two of each operand
constexpr std::size_t kSteps = 8;  // 32 KiB, in L1

// Zeros would be multiplied a fifth faster: with others the core lowers its clock. As bf16 these
// are numbers from -2 to 2.
struct Operands {
  alignas(64) std::array<std::uint16_t, kSteps * kStepTiles * kTile> values;
  Operands() {
    std::uint32_t random = 1;
    for (std::uint16_t& value : values) {
      random = random * 1664525U + 1013904223U;
      value = static_cast<std::uint16_t>((random >> 16 & 0x80FFU) | 0x3F00U);
    }
  }
};

// Tile registers 0 to 3 are sums, 4 to 7 the operands.
void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

void load_operands(const std::uint16_t* step) {
  asm volatile("" ::: "memory");  // GCC is not told what the loads of tiles read
  _tile_loadd(4, step, kRow);
  _tile_loadd(5, step + kTile, kRow);
  _tile_loadd(6, step + 2 * kTile, kRow);
  _tile_loadd(7, step + 3 * kTile, kRow);
}

void multiply_int8() {
  _tile_dpbssd(0, 4, 6);
  _tile_dpbssd(1, 4, 7);
  _tile_dpbssd(2, 5, 6);
  _tile_dpbssd(3, 5, 7);
}

void multiply_bf16() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

template <void (*kMultiply)(), bool kLoads>
void run(std::int64_t iterations) {
  const TileScope tiles;
  const Operands operands;
  load_operands(operands.values.data());
  clear_sums();
  for (std::int64_t i = 0; i < iterations; ++i) {
    if constexpr (kLoads) {
      load_operands(operands.values.data() +
                    static_cast<std::size_t>(i) % kSteps * kStepTiles * kTile);
    }
    kMultiply();
  }
}

}  // namespace

void int8_amx(std::int64_t iterations) { run<multiply_int8, false>(iterations); }
void bf16_amx(std::int64_t iterations) { run<multiply_bf16, false>(iterations); }
void int8_amx_loads(std::int64_t iterations) { run<multiply_int8, true>(iterations); }
void bf16_amx_loads(std::int64_t iterations) { run<multiply_bf16, true>(iterations); }

}  // namespace lowp::kernels
