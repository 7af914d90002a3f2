#include <array>

#include "kernels/linear_nvfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearNvfp4Args&) { return nullptr; }

constexpr std::array<Implementation<LinearNvfp4Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_nvfp4_reference},
}};

}  // namespace

std::span<const Implementation<LinearNvfp4Args>> linear_nvfp4_implementations() { return kList; }

void linear_nvfp4(const LinearNvfp4Args& args) {
  choose("linear_nvfp4", linear_nvfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
