#include "kernels/linear_common/amx_panels_inl.h"
#include "kernels/linear_common/panels.h"

namespace lowp::kernels {
namespace {

struct Bf16Tiles {
  static constexpr bool kInteger = false;
  static constexpr bool kGroups = true;
  static constexpr std::int64_t kPerStep = 2;

  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }
  static Floats to_fp32(Ints sums) { return _mm512_castsi512_ps(sums); }
  static Floats add_elements(Floats sum, Ints x) {
    const Floats low = _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
    const Floats high =
        _mm512_castsi512_ps(_mm512_and_si512(x, broadcast(static_cast<int>(0xFFFF0000))));
    return add(sum, add(low, high));
  }
};

struct Int8Products {
  static constexpr std::int64_t kPerStep = 4;

  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbssd(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbssd(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbssd(3, 5, 7);
  }
};

struct Int8Tiles : Int8Products {
  static constexpr bool kInteger = true;
  static constexpr bool kGroups = false;
};

// The sums of a group are integers, those of groups fp32.
struct Int8GroupTiles : Int8Products {
  static constexpr bool kInteger = false;
  static constexpr bool kGroups = true;

  static Floats to_fp32(Ints sums) { return to_floats(sums); }
  static Floats add_elements(Floats sum, Ints x) {
    return add(sum, to_floats(_mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), x)));
  }
};

}  // namespace

void linear_panels_amx(const LinearJob& job) { multiply_panels<Bf16Tiles>(job); }

void linear_panels_amx_int8(const LinearJob& job) { multiply_panels<Int8Tiles>(job); }

void linear_panels_amx_int8_groups(const LinearJob& job) { multiply_panels<Int8GroupTiles>(job); }

}  // namespace lowp::kernels
