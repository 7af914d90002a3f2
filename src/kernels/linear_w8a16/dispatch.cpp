#include <array>

#include "kernels/linear_w8a16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearW8A16Args&) { return nullptr; }

constexpr std::array<Implementation<LinearW8A16Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_w8a16_reference},
}};

}  // namespace

std::span<const Implementation<LinearW8A16Args>> linear_w8a16_implementations() { return kList; }

void linear_w8a16(const LinearW8A16Args& args) {
  choose("linear_w8a16", linear_w8a16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
