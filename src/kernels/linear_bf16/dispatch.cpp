#include <array>

#include "kernels/linear_bf16/implementations.h"
#include "kernels/linear_common/panels.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearBf16Args&) { return nullptr; }

const char* refuse_unless_bf16(const LinearBf16Args& args) {
  return args.x.dtype == DType::kBF16 ? nullptr : "x is not bf16";
}

const char* refuse_on_amx(const LinearBf16Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

constexpr std::array<Implementation<LinearBf16Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_bf16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_bf16_avx512_bf16},
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
