#include <array>

#include "kernels/linear_fp8_weight_only/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearFp8WeightOnlyArgs&) { return nullptr; }

constexpr std::array<Implementation<LinearFp8WeightOnlyArgs>, 1> kList{{
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
