#include <array>

#include "kernels/linear_bf16/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const LinearBf16Args&) { return nullptr; }

constexpr std::array<Implementation<LinearBf16Args>, 1> kList{{
    {"reference", Isa::kScalar, never, linear_bf16_reference},
}};

}  // namespace

std::span<const Implementation<LinearBf16Args>> linear_bf16_implementations() { return kList; }

void linear_bf16(const LinearBf16Args& args) {
  choose("linear_bf16", linear_bf16_implementations(), args).run(args);
}

}  // namespace lowp::kernels
