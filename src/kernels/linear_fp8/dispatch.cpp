#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_fp8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearFp8Args&) { return nullptr; }

const char* refuse_groups(const LinearFp8Args& args) {
  const bool x_in_groups = args.x_block.cols < args.k;
  if (x_in_groups && args.x_block.cols != args.weight_block.cols) {
    return "groups of x and of the weight differ";
  }
  if (args.weight_block.cols >= args.k) return nullptr;
  const std::int64_t group = args.weight_block.cols;
  return group % 2 != 0 || group < 16 ? "groups of an odd length or shorter than 16" : nullptr;
}

const char* refuse_on_amx(const LinearFp8Args& args) {
  const char* few = refuse_few_rows_on_amx(args.m);
  return few != nullptr ? few : refuse_groups(args);
}

constexpr std::array<Implementation<LinearFp8Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_fp8_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_groups, linear_fp8_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_groups, linear_fp8_avx512},
    {"avx2", Isa::kAvx2, refuse_groups, linear_fp8_avx2},
    {"reference", Isa::kScalar, never, linear_fp8_reference},
}};

}  // namespace

std::span<const Implementation<LinearFp8Args>> linear_fp8_implementations() { return kList; }

void linear_fp8(const LinearFp8Args& args) {
  choose("linear_fp8", linear_fp8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
