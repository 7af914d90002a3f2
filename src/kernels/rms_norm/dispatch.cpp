#include <array>

#include "kernels/rms_norm/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const RmsNormArgs&) { return nullptr; }

constexpr std::array<Implementation<RmsNormArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, rms_norm_avx512},
    {"avx2", Isa::kAvx2, never, rms_norm_avx2},
    {"reference", Isa::kScalar, never, rms_norm_reference},
}};

}  // namespace

std::span<const Implementation<RmsNormArgs>> rms_norm_implementations() { return kList; }

void rms_norm(const RmsNormArgs& args) {
  choose("rms_norm", rms_norm_implementations(), args).run(args);
}

}  // namespace lowp::kernels
