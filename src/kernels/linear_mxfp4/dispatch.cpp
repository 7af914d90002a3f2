#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp4/implementations.h"
#include "kernels/pack_weight/layout.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp4Args&) { return nullptr; }
const char* on_amx(const LinearMxfp4Args& args) { return refuse_packed(args, refuse_x_on_amx); }
const char* on_bf16(const LinearMxfp4Args& args) {
  return refuse_packed(args, refuse_x_unless_bf16);
}
const char* on_avx512(const LinearMxfp4Args& args) { return refuse_packed(args, never); }

constexpr std::array<Implementation<LinearMxfp4Args>, 5> kList{{
    {"amx", Isa::kAmx, on_amx, linear_mxfp4_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, on_bf16, linear_mxfp4_avx512_bf16},
    {"avx512", Isa::kAvx512, on_avx512, linear_mxfp4_avx512},
    {"avx2", Isa::kAvx2, never, linear_mxfp4_avx2},
    {"reference", Isa::kScalar, never, linear_mxfp4_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp4Args>> linear_mxfp4_implementations() { return kList; }

void linear_mxfp4(const LinearMxfp4Args& args) {
  choose("linear_mxfp4", linear_mxfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
