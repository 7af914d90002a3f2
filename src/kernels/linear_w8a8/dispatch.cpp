#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_w8a8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW8A8Args&) { return nullptr; }

const char* refuse_on_amx(const LinearW8A8Args& args) { return refuse_few_rows_on_amx(args.m); }

constexpr std::array<Implementation<LinearW8A8Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_w8a8_amx},
    {"avx512_vnni", Isa::kAvx512Vnni, never, linear_w8a8_avx512_vnni},
    {"avx512", Isa::kAvx512, never, linear_w8a8_avx512},
    {"avx_vnni", Isa::kAvxVnni, never, linear_w8a8_avx_vnni},
    {"avx2", Isa::kAvx2, never, linear_w8a8_avx2},
    {"reference", Isa::kScalar, never, linear_w8a8_reference},
}};

}  // namespace

std::span<const Implementation<LinearW8A8Args>> linear_w8a8_implementations() { return kList; }

void linear_w8a8(const LinearW8A8Args& args) {
  choose("linear_w8a8", linear_w8a8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
