#include "kernels/limits/loops.h"
#include "kernels/linear_common/amx_tile_inl.h"

namespace lowp::kernels {
namespace {

void clear_operands() {
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

}  // namespace

void int8_amx(std::int64_t iterations) {
  const TileScope tiles;
  clear_operands();
  for (std::int64_t i = 0; i < iterations; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
}

void bf16_amx(std::int64_t iterations) {
  const TileScope tiles;
  clear_operands();
  for (std::int64_t i = 0; i < iterations; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

}  // namespace lowp::kernels
