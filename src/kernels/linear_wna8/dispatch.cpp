#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearWnA8Args&) { return nullptr; }

constexpr std::array<Implementation<LinearWnA8Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_integer_groups_on_amx, linear_wna8_amx},
    {"avx512_vnni", Isa::kAvx512Vnni, refuse_integer_groups, linear_wna8_avx512_vnni},
    {"avx512", Isa::kAvx512, refuse_integer_groups, linear_wna8_avx512},
    {"avx_vnni", Isa::kAvxVnni, refuse_integer_groups, linear_wna8_avx_vnni},
    {"avx2", Isa::kAvx2, refuse_integer_groups, linear_wna8_avx2},
    {"reference", Isa::kScalar, never, linear_wna8_reference},
}};

}  // namespace

std::span<const Implementation<LinearWnA8Args>> linear_wna8_implementations() { return kList; }

void linear_wna8(const LinearWnA8Args& args) {
  choose("linear_wna8", linear_wna8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
