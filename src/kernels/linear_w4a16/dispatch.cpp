#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_w4a16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW4A16Args&) { return nullptr; }

const char* refuse_groups(const LinearW4A16Args& args) {
  if (args.group_size >= args.x.cols) return nullptr;
  if (args.group_size % 2 != 0) return "groups of an odd length";
  return args.group_size < 16 ? "groups shorter than 16" : nullptr;
}

const char* refuse_unless_bf16(const LinearW4A16Args& args) {
  if (args.x.dtype != DType::kBF16) return "x is not bf16";
  return refuse_groups(args);
}

const char* refuse_on_amx(const LinearW4A16Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

const char* refuse_on_avx_vnni(const LinearW4A16Args& args) {
  const char* many = refuse_many_rows(args.x.rows);
  return many != nullptr ? many : refuse_groups(args);
}

constexpr std::array<Implementation<LinearW4A16Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_w4a16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_w4a16_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_groups, linear_w4a16_avx512},
    {"avx_vnni", Isa::kAvxVnni, refuse_on_avx_vnni, linear_w4a16_avx_vnni},
    {"avx2", Isa::kAvx2, refuse_groups, linear_w4a16_avx2},
    {"reference", Isa::kScalar, never, linear_w4a16_reference},
}};

}  // namespace

std::span<const Implementation<LinearW4A16Args>> linear_w4a16_implementations() { return kList; }

void linear_w4a16(const LinearW4A16Args& args) {
  choose("linear_w4a16", linear_w4a16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
