#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp6/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp6Args&) { return nullptr; }

constexpr std::array<Implementation<LinearMxfp6Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_x_on_amx, linear_mxfp6_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_x_unless_bf16, linear_mxfp6_avx512_bf16},
    {"avx512", Isa::kAvx512, never, linear_mxfp6_avx512},
    {"avx2", Isa::kAvx2, never, linear_mxfp6_avx2},
    {"reference", Isa::kScalar, never, linear_mxfp6_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp6Args>> linear_mxfp6_implementations() { return kList; }

void linear_mxfp6(const LinearMxfp6Args& args) {
  choose("linear_mxfp6", linear_mxfp6_implementations(), args).run(args);
}

}  // namespace lowp::kernels
