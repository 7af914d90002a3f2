#include <array>

#include "kernels/linear_common/panels.h"
#include "kernels/linear_mxfp8_weight_only/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp8WeightOnlyArgs&) { return nullptr; }

constexpr std::array<Implementation<LinearMxfp8WeightOnlyArgs>, 5> kList{{
    {"amx", Isa::kAmx, refuse_x_on_amx, linear_mxfp8_weight_only_amx},
    {"avx512_bf16", Isa::kAvx512Bf16, refuse_x_unless_bf16, linear_mxfp8_weight_only_avx512_bf16},
    {"avx512", Isa::kAvx512, never, linear_mxfp8_weight_only_avx512},
    {"avx2", Isa::kAvx2, never, linear_mxfp8_weight_only_avx2},
    {"reference", Isa::kScalar, never, linear_mxfp8_weight_only_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp8WeightOnlyArgs>>
linear_mxfp8_weight_only_implementations() {
  return kList;
}

void linear_mxfp8_weight_only(const LinearMxfp8WeightOnlyArgs& args) {
  choose("linear_mxfp8_weight_only", linear_mxfp8_weight_only_implementations(), args).run(args);
}

}  // namespace lowp::kernels
