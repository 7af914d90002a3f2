#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_w8a16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW8A16Args&) { return nullptr; }

const char* refuse_groups(const LinearW8A16Args& args) {
  if (args.group_size >= args.x.cols) return nullptr;
  if (args.group_size % 2 != 0) return "groups of an odd length";
  return args.group_size < 16 ? "groups shorter than 16" : nullptr;
}

const char* refuse_unless_bf16(const LinearW8A16Args& args) {
  if (args.x.dtype != DType::kBF16) return "x is not bf16";
  // Widening int8 to fp32 costs less than to bf16, and few rows are bound by reading the weight.
  if (args.x.rows <= 4) return "four rows of x or fewer";
  return refuse_groups(args);
}

const char* refuse_on_amx(const LinearW8A16Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

constexpr std::array<Implementation<LinearW8A16Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_w8a16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_w8a16_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_groups, linear_w8a16_avx512},
    {"avx2", Isa::kAvx2, refuse_groups, linear_w8a16_avx2},
    {"reference", Isa::kScalar, never, linear_w8a16_reference},
}};

}  // namespace

std::span<const Implementation<LinearW8A16Args>> linear_w8a16_implementations() { return kList; }

void linear_w8a16(const LinearW8A16Args& args) {
  choose("linear_w8a16", linear_w8a16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
