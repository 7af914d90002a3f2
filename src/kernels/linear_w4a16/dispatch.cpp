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

// Few rows of x are faster in fixed point, in vectors of AVX2 with or without VNNI: a Xeon with 14
// threads, 4096x4096 in groups of 128, one row 50 and 66 us where decoding into bf16 takes 85, four
// 190 and 240 where that takes 250. rows_int4_avx2_inl.h says which it takes.
const char* refuse_on_avx512(const LinearW4A16Args& args) {
  const std::int64_t group = args.group_size;
  const bool fits = group == 32 || group == 64 || group == 128 || group == 256;
  if (args.x.rows <= 4 && fits && args.x.cols % 64 == 0 && args.x.cols <= 16384) {
    return "few rows of x, for which vectors of AVX2 are faster";
  }
  return refuse_groups(args);
}

const char* refuse_on_avx512_bf16(const LinearW4A16Args& args) {
  if (args.x.dtype != DType::kBF16) return "x is not bf16";
  return refuse_on_avx512(args);
}

const char* refuse_on_amx(const LinearW4A16Args& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_on_avx512_bf16(args);
}

const char* refuse_on_avx_vnni(const LinearW4A16Args& args) {
  const char* many = refuse_many_rows(args.x.rows);
  return many != nullptr ? many : refuse_groups(args);
}

constexpr std::array<Implementation<LinearW4A16Args>, 6> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_w4a16_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_on_avx512_bf16, linear_w4a16_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_on_avx512, linear_w4a16_avx512},
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
