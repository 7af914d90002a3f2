#include <array>

#include "kernels/gated_activation/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const GatedActivationArgs&) { return nullptr; }

constexpr std::array<Implementation<GatedActivationArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, gated_activation_avx512},
    {"avx2", Isa::kAvx2, never, gated_activation_avx2},
    {"reference", Isa::kScalar, never, gated_activation_reference},
}};

}  // namespace

std::span<const Implementation<GatedActivationArgs>> gated_activation_implementations() {
  return kList;
}

void gated_activation(const GatedActivationArgs& args) {
  choose("gated_activation", gated_activation_implementations(), args).run(args);
}

}  // namespace lowp::kernels
