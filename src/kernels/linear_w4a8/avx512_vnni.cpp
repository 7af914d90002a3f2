// vpdpbusd takes the weight, which is not negative once it has its offset, as its unsigned side.
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_common/panels.h"
#include "kernels/linear_w4a8/avx512_inl.h"
// The vectors come first.
#include "kernels/linear_common/avx512_vnni_inl.h"
// The dot comes first.
#include "kernels/linear_common/byte_quads_inl.h"

namespace lowp::kernels {
namespace {

struct NibbleRows : Avx512Rows {
  static Int32s add_products(Int32s sum, Ints even, Ints x_even, Ints odd, Ints x_odd) {
    return dot(dot(sum, even, x_even), odd, x_odd);
  }
};

// Nibbles to four int8 codes a step.
struct NibblePanel {
  static constexpr std::int64_t kColumns = 4;
  static constexpr std::int64_t kBits = 4;
  static constexpr std::int64_t kChunkBytes = 64;
  Ints values =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1));
  NibblePanel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
              std::int64_t /*k_end*/) {}

  // Nibbles of a word's low byte.
  Ints step(Ints words) const {
    constexpr int kOrAnd = 0xA8;  // (a | b) & c
    const Ints nibbles =
        _mm512_ternarylogic_epi32(words, _mm512_slli_epi16(words, 4), nibble_mask(), kOrAnd);
    return _mm512_shuffle_epi8(values, nibbles);
  }
  bool unpack(const Ints* dwords, std::int64_t /*tile*/, Ints* steps) const {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      steps[2 * i] = step(shuffle_dwords(dwords[i], 0x80018000));
      steps[2 * i + 1] = step(shuffle_dwords(dwords[i], 0x80038002));
    }
    return true;
  }
};

}  // namespace

// Signed codes of the weight, without an offset.
void linear_w4a8_amx(const LinearW4A8Args& args) {
  LinearJob job = job_of(args);
  job.decode_weight = decode_weight<0>;
  job.decode_x = decode_x;
  set_amx_panel<NibblePanel>(job, args.weight);
  job.group_offsets = args.zero_point == nullptr ? nullptr : group_offsets<0>;
  linear_panels_amx_int8_groups(job);
}

void linear_w4a8_avx512_vnni(const LinearW4A8Args& args) { multiply<ByteQuads, NibbleRows>(args); }

}  // namespace lowp::kernels
