#include <array>

#include "kernels/linear_fp8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearFp8Args&) { return nullptr; }

constexpr std::array<Implementation<LinearFp8Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_fp8_reference},
}};

}  // namespace

std::span<const Implementation<LinearFp8Args>> linear_fp8_implementations() { return kList; }

void linear_fp8(const LinearFp8Args& args) {
  choose("linear_fp8", linear_fp8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
