#include <array>

#include "kernels/linear_bf16/implementations.h"
#include "kernels/linear_common/panels.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearBf16Args&) { return nullptr; }

constexpr std::array<Implementation<LinearBf16Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_x_on_amx, linear_bf16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_x_unless_bf16, linear_bf16_avx512_bf16},
    {"avx512", Isa::kAvx512, never, linear_bf16_avx512},
    {"avx2", Isa::kAvx2, never, linear_bf16_avx2},
    {"reference", Isa::kScalar, never, linear_bf16_reference},
}};

}  // namespace

std::span<const Implementation<LinearBf16Args>> linear_bf16_implementations() { return kList; }

void linear_bf16(const LinearBf16Args& args) {
  choose("linear_bf16", linear_bf16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
