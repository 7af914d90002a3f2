#include <array>

#include "kernels/rotary/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const RotaryArgs&) { return nullptr; }

constexpr std::array<Implementation<RotaryArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, rotary_avx512},
    {"avx2", Isa::kAvx2, never, rotary_avx2},
    {"reference", Isa::kScalar, never, rotary_reference},
}};

}  // namespace

std::span<const Implementation<RotaryArgs>> rotary_implementations() { return kList; }

void rotary(const RotaryArgs& args) { choose("rotary", rotary_implementations(), args).run(args); }

}  // namespace lowp::kernels
