#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp8Args&) { return nullptr; }

const char* refuse_on_amx(const LinearMxfp8Args& args) { return refuse_few_rows_on_amx(args.m); }

constexpr std::array<Implementation<LinearMxfp8Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_mxfp8_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, never, linear_mxfp8_avx512_bf16},
    {"avx512", Isa::kAvx512, never, linear_mxfp8_avx512},
    {"avx2", Isa::kAvx2, never, linear_mxfp8_avx2},
    {"reference", Isa::kScalar, never, linear_mxfp8_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp8Args>> linear_mxfp8_implementations() { return kList; }

void linear_mxfp8(const LinearMxfp8Args& args) {
  choose("linear_mxfp8", linear_mxfp8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
