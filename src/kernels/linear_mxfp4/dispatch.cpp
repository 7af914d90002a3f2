#include <array>

#include "kernels/linear_mxfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearMxfp4Args&) { return nullptr; }

constexpr std::array<Implementation<LinearMxfp4Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_mxfp4_reference},
}};

}  // namespace

std::span<const Implementation<LinearMxfp4Args>> linear_mxfp4_implementations() { return kList; }

void linear_mxfp4(const LinearMxfp4Args& args) {
  choose("linear_mxfp4", linear_mxfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
