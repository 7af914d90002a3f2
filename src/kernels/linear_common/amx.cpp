// Panels on AMX: two by two tile registers of sums. A panel's steps lie as the second operand wants
// them, 16 steps by 16 columns; the first operand is 16 rows of x times 64 bytes, of a copy:
// read in place, rows of 8 KiB shared too few sets of the caches.
#include "kernels/linear_common/amx_tile_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_common/panels_inl.h"

namespace lowp::kernels {
namespace {

// Tile registers 0 to 3: sums of the upper rows' left and right columns, then of the lower rows';
// 4, 5: x, upper and lower rows; 6, 7: weight, left and right columns.
template <class Multiplier, bool kLower, bool kRight>
inline void multiply_step(const char* x, std::int64_t x_stride,
                          const std::int32_t (*panel)[kPanelColumns]) {
  constexpr std::int64_t kPanelStride = sizeof(panel[0]);
  _tile_loadd(6, panel[0], kPanelStride);
  _tile_loadd(4, x, x_stride);
  Multiplier::template multiply<0>();
  if constexpr (kRight) {
    _tile_loadd(7, panel[0] + kLanes, kPanelStride);
    Multiplier::template multiply<1>();
  }
  if constexpr (kLower) {
    _tile_loadd(5, x + kTileSide * x_stride, x_stride);
    Multiplier::template multiply<2>();
    if constexpr (kRight) Multiplier::template multiply<3>();
  }
}

// Fewer than 16 steps, the others zero.
template <class Multiplier, bool kLower, bool kRight>
void multiply_last_steps(const char* x, std::int64_t x_stride,
                         const std::int32_t (*panel)[kPanelColumns], std::int64_t steps) {
  alignas(64) std::int32_t x_part[kTileRows][kLanes];
  alignas(64) std::int32_t panel_part[kTileSide][kPanelColumns] = {};
  const Lanes lanes = first_lanes(steps);
  for (std::int64_t row = 0; row < (kLower ? kTileRows : kTileSide); ++row) {
    store_ints(x_part[row],
               load_ints(reinterpret_cast<const std::int32_t*>(x + row * x_stride), lanes));
  }
  std::memcpy(panel_part, panel, static_cast<std::size_t>(steps) * sizeof(panel[0]));
  asm volatile("" ::: "memory");  // the loads of tiles do not tell GCC what they read
  multiply_step<Multiplier, kLower, kRight>(reinterpret_cast<const char*>(x_part),
                                            sizeof(x_part[0]), panel_part);
}

template <class Multiplier, bool kLower, bool kRight>
void multiply_two_by_two(const Segment& segment) {
  constexpr std::int64_t kSumsStride = sizeof(segment.sums[0]);
  const bool in_place = segment.scales == nullptr;
  std::int32_t* const sums = segment.sums[0];
  asm volatile("" ::: "memory");
  if (in_place) {
    _tile_loadd(0, sums, kSumsStride);
    if constexpr (kRight) _tile_loadd(1, sums + kLanes, kSumsStride);
    if constexpr (kLower) _tile_loadd(2, sums + kTileSide * kBlockColumns, kSumsStride);
    if constexpr (kLower && kRight) {
      _tile_loadd(3, sums + kTileSide * kBlockColumns + kLanes, kSumsStride);
    }
  } else {
    _tile_zero(0);
    if constexpr (kRight) _tile_zero(1);
    if constexpr (kLower) _tile_zero(2);
    if constexpr (kLower && kRight) _tile_zero(3);
  }
  std::int64_t step = 0;
  for (; step + kLanes <= segment.steps; step += kLanes) {
    multiply_step<Multiplier, kLower, kRight>(segment.x + step * 4, segment.x_stride,
                                              segment.panel + step);
  }
  if (step < segment.steps) {
    multiply_last_steps<Multiplier, kLower, kRight>(segment.x + step * 4, segment.x_stride,
                                                    segment.panel + step, segment.steps - step);
  }
  alignas(64) std::int32_t part[kTileRows][kPanelColumns];
  std::int32_t* const to = in_place ? sums : part[0];
  const std::int64_t columns = in_place ? kBlockColumns : kPanelColumns;
  const std::int64_t stride = columns * 4;
  _tile_stored(0, to, stride);
  if constexpr (kRight) _tile_stored(1, to + kLanes, stride);
  if constexpr (kLower) _tile_stored(2, to + kTileSide * columns, stride);
  if constexpr (kLower && kRight) _tile_stored(3, to + kTileSide * columns + kLanes, stride);
  asm volatile("" ::: "memory");
  if (in_place) return;
  constexpr int kVectors = kRight ? 2 : 1;
  for (int row = 0; row < segment.rows; ++row) {
    typename Multiplier::Sum partial[kVectors];
    for (int v = 0; v < kVectors; ++v) std::memcpy(&partial[v], part[row] + v * kLanes, 64);
    add_row<Multiplier, kVectors>(segment, row, partial);
  }
}

template <class Multiplier>
void multiply_segment(const Segment& segment) {
  if (segment.rows > kTileSide) {
    segment.columns > kLanes ? multiply_two_by_two<Multiplier, true, true>(segment)
                             : multiply_two_by_two<Multiplier, true, false>(segment);
  } else {
    segment.columns > kLanes ? multiply_two_by_two<Multiplier, false, true>(segment)
                             : multiply_two_by_two<Multiplier, false, false>(segment);
  }
}

struct Bf16Tiles {
  using Sum = __m512;
  static constexpr bool kInteger = false;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 2;

  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }
  static void multiply_tiles(const Segment& segment) { multiply_segment<Bf16Tiles>(segment); }
  static __m512 add_elements(__m512 sum, __m512i x) {
    const __m512 low = _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
    const __m512 high =
        _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
    return _mm512_add_ps(sum, _mm512_add_ps(low, high));
  }
};

struct Int8Tiles {
  using Sum = Int32s;
  static constexpr bool kInteger = true;
  static constexpr bool kHoldsScaled = false;
  static constexpr std::int64_t kPerStep = 4;

  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbssd(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbssd(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbssd(3, 5, 7);
  }
  static void multiply_tiles(const Segment& segment) { multiply_segment<Int8Tiles>(segment); }
};

}  // namespace

void linear_panels_amx(const LinearJob& job) { multiply_panels<Bf16Tiles>(job); }

void linear_panels_amx_int8(const LinearJob& job) { multiply_panels<Int8Tiles>(job); }

}  // namespace lowp::kernels
