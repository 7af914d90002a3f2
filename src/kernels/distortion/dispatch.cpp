#include <array>

#include "kernels/distortion/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DistortionArgs&) { return nullptr; }

constexpr std::array<Implementation<DistortionArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, distortion_avx512},
    {"avx2", Isa::kAvx2, never, distortion_avx2},
    {"reference", Isa::kScalar, never, distortion_reference},
}};

}  // namespace

std::span<const Implementation<DistortionArgs>> distortion_implementations() { return kList; }

void distortion(const DistortionArgs& args) {
  choose("distortion", distortion_implementations(), args).run(args);
}

}  // namespace lowp::kernels
