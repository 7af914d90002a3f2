#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp6/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp6Args&) { return nullptr; }

const char* refuse_unless_bf16(const LinearMxfp6Args& args) {
  return args.x.dtype == DType::kBF16 ? nullptr : "x is not bf16";
}

const char* refuse_on_amx(const LinearMxfp6Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

constexpr std::array<Implementation<LinearMxfp6Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_mxfp6_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_mxfp6_avx512_bf16},
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
