#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearWnA16Args&) { return nullptr; }

const char* refuse_groups(const LinearWnA16Args& args) {
  const bool shorter = args.group_size < args.x.cols && args.group_size < 16;
  return shorter ? "groups shorter than 16" : nullptr;
}

const char* refuse_unless_bf16(const LinearWnA16Args& args) {
  if (args.x.dtype != DType::kBF16) return "x is not bf16";
  return refuse_groups(args);
}

const char* refuse_on_amx(const LinearWnA16Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

const char* refuse_on_avx_vnni(const LinearWnA16Args& args) {
  const char* many = refuse_many_rows(args.x.rows);
  return many != nullptr ? many : refuse_groups(args);
}

constexpr std::array<Implementation<LinearWnA16Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_wna16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_wna16_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_groups, linear_wna16_avx512},
    {"avx_vnni", Isa::kAvxVnni, refuse_on_avx_vnni, linear_wna16_avx_vnni},
    {"avx2", Isa::kAvx2, refuse_groups, linear_wna16_avx2},
    {"reference", Isa::kScalar, never, linear_wna16_reference},
}};

}  // namespace

std::span<const Implementation<LinearWnA16Args>> linear_wna16_implementations() { return kList; }

void linear_wna16(const LinearWnA16Args& args) {
  choose("linear_wna16", linear_wna16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
