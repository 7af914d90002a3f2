#include <array>

#include "kernels/linear_w4a16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW4A16Args&) { return nullptr; }

constexpr std::array<Implementation<LinearW4A16Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_w4a16_reference},
}};

}  // namespace

std::span<const Implementation<LinearW4A16Args>> linear_w4a16_implementations() { return kList; }

void linear_w4a16(const LinearW4A16Args& args) {
  choose("linear_w4a16", linear_w4a16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
