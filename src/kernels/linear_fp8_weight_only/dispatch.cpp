#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_fp8_weight_only/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearFp8WeightOnlyArgs&) { return nullptr; }

const char* refuse_groups(const LinearFp8WeightOnlyArgs& args) {
  if (args.weight_block.cols >= args.x.cols) return nullptr;
  const std::int64_t group = args.weight_block.cols;
  return group % 2 != 0 || group < 16 ? "groups of an odd length or shorter than 16" : nullptr;
}

const char* refuse_unless_bf16(const LinearFp8WeightOnlyArgs& args) {
  return args.x.dtype == DType::kBF16 ? refuse_groups(args) : "x is not bf16";
}

const char* refuse_on_amx(const LinearFp8WeightOnlyArgs& args) {
  const char* few = refuse_few_rows_on_amx(args.x.rows);
  return few != nullptr ? few : refuse_unless_bf16(args);
}

constexpr std::array<Implementation<LinearFp8WeightOnlyArgs>, 5> kList{{
    {"amx", Isa::kAmx, refuse_on_amx, linear_fp8_weight_only_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_unless_bf16, linear_fp8_weight_only_avx512_bf16},
    {"avx512", Isa::kAvx512, refuse_groups, linear_fp8_weight_only_avx512},
    {"avx2", Isa::kAvx2, refuse_groups, linear_fp8_weight_only_avx2},
    {"reference", Isa::kScalar, never, linear_fp8_weight_only_reference},
}};

}  // namespace

std::span<const Implementation<LinearFp8WeightOnlyArgs>> linear_fp8_weight_only_implementations() {
  return kList;
}

void linear_fp8_weight_only(const LinearFp8WeightOnlyArgs& args) {
  choose("linear_fp8_weight_only", linear_fp8_weight_only_implementations(), args).run(args);
}

}  // namespace lowp::kernels
