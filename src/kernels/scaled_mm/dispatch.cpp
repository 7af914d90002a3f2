#include <array>

#include "kernels/scaled_mm/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const ScaledMmArgs&) { return nullptr; }

constexpr std::array<Implementation<ScaledMmArgs>, 7> kList{{
    {"linear_fp8", Isa::kScalar, scaled_mm_refuse_linear_fp8, scaled_mm_linear_fp8},
    {"linear_mxfp8", Isa::kScalar, scaled_mm_refuse_linear_mxfp8, scaled_mm_linear_mxfp8},
    {"linear_mxfp8_weight_only", Isa::kScalar, scaled_mm_refuse_linear_mxfp8_weight_only,
     scaled_mm_linear_mxfp8_weight_only},
    {"linear_mxfp4", Isa::kScalar, scaled_mm_refuse_linear_mxfp4, scaled_mm_linear_mxfp4},
    {"linear_nvfp4", Isa::kScalar, scaled_mm_refuse_linear_nvfp4, scaled_mm_linear_nvfp4},
    {"linear_bf16", Isa::kScalar, scaled_mm_refuse_linear_bf16, scaled_mm_linear_bf16},
    {"reference", Isa::kScalar, never, scaled_mm_reference},
}};

}  // namespace

std::span<const Implementation<ScaledMmArgs>> scaled_mm_implementations() { return kList; }

void scaled_mm(const ScaledMmArgs& args) {
  choose("scaled_mm", scaled_mm_implementations(), args).run(args);
}

}  // namespace lowp::kernels
