#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_w4a8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW4A8Args&) { return nullptr; }

// One row without zero points is for vectors of AVX2, which start sooner: on a Xeon, 14 threads,
// 4096x4096 takes 60 us instead of 72 to 97; one thread, 1536x576 in groups of 64, 31 us instead of
// 75 to 103.
const char* refuse_on_avx512(const LinearW4A8Args& args) {
  if (args.m == 1 && args.zero_point == nullptr) {
    return "one row of x, for which vectors of AVX2 are faster";
  }
  return refuse_integer_groups(args);
}

constexpr std::array<Implementation<LinearW4A8Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_integer_groups_on_amx, linear_w4a8_amx},
    {"avx512_vnni", Isa::kAvx512Vnni, refuse_on_avx512, linear_w4a8_avx512_vnni},
    {"avx512", Isa::kAvx512, refuse_on_avx512, linear_w4a8_avx512},
    {"avx_vnni", Isa::kAvxVnni, refuse_integer_groups, linear_w4a8_avx_vnni},
    {"avx2", Isa::kAvx2, refuse_integer_groups, linear_w4a8_avx2},
    {"reference", Isa::kScalar, never, linear_w4a8_reference},
}};

}  // namespace

std::span<const Implementation<LinearW4A8Args>> linear_w4a8_implementations() { return kList; }

void linear_w4a8(const LinearW4A8Args& args) {
  choose("linear_w4a8", linear_w4a8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
