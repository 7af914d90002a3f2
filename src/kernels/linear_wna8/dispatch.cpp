#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_wna8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearWnA8Args&) { return nullptr; }

// A step of the multipliers is four columns, and a panel holds the scales of so many groups.
const char* refuse_groups(const LinearWnA8Args& args) {
  if (args.group_size >= args.k) return nullptr;
  if (args.group_size < 32) return "groups shorter than 32";
  return args.group_size % 4 != 0 ? "groups that are no multiple of 4" : nullptr;
}

const char* refuse_on_amx(const LinearWnA8Args& args) {
  const char* few = refuse_few_rows_on_amx(args.m);
  return few != nullptr ? few : refuse_groups(args);
}

constexpr std::array<Implementation<LinearWnA8Args>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_wna8_amx},
    {"avx512_vnni", Isa::kAvx512Vnni, refuse_groups, linear_wna8_avx512_vnni},
    {"avx512", Isa::kAvx512, refuse_groups, linear_wna8_avx512},
    {"avx2", Isa::kAvx2, refuse_groups, linear_wna8_avx2},
    {"reference", Isa::kScalar, never, linear_wna8_reference},
}};

}  // namespace

std::span<const Implementation<LinearWnA8Args>> linear_wna8_implementations() { return kList; }

void linear_wna8(const LinearWnA8Args& args) {
  choose("linear_wna8", linear_wna8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
