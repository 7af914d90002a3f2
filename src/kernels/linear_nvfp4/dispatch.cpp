#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_nvfp4/implementations.h"
#include "kernels/pack_weight/layout.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearNvfp4Args&) { return nullptr; }
const char* on_amx(const LinearNvfp4Args& args) { return refuse_packed(args, refuse_x_on_amx); }
const char* on_bf16(const LinearNvfp4Args& args) {
  return refuse_packed(args, refuse_x_unless_bf16);
}
const char* on_avx512(const LinearNvfp4Args& args) { return refuse_packed(args, never); }

constexpr std::array<Implementation<LinearNvfp4Args>, 5> kList{{
    {"amx", Isa::kAmx, on_amx, linear_nvfp4_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, on_bf16, linear_nvfp4_avx512_bf16},
    {"avx512", Isa::kAvx512, on_avx512, linear_nvfp4_avx512},
    {"avx2", Isa::kAvx2, never, linear_nvfp4_avx2},
    {"reference", Isa::kScalar, never, linear_nvfp4_reference},
}};

}  // namespace

std::span<const Implementation<LinearNvfp4Args>> linear_nvfp4_implementations() { return kList; }

void linear_nvfp4(const LinearNvfp4Args& args) {
  choose("linear_nvfp4", linear_nvfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
