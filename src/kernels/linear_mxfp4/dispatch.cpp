#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp4Args&) { return nullptr; }

constexpr std::array<Implementation<LinearMxfp4Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_x_on_amx, linear_mxfp4_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_x_unless_bf16, linear_mxfp4_avx512_bf16},
    {"avx512", Isa::kAvx512, never, linear_mxfp4_avx512},
    {"avx2", Isa::kAvx2, never, linear_mxfp4_avx2},
    {"reference", Isa::kScalar, never, linear_mxfp4_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp4Args>> linear_mxfp4_implementations() { return kList; }

void linear_mxfp4(const LinearMxfp4Args& args) {
  choose("linear_mxfp4", linear_mxfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
