#include <array>

#include "kernels/dequantize_int8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeInt8Args&) { return nullptr; }

constexpr std::array<Implementation<DequantizeInt8Args>, 1> kList{{
    {"reference", Isa::kScalar, never, dequantize_int8_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeInt8Args>> dequantize_int8_implementations() {
  return kList;
}

void dequantize_int8(const DequantizeInt8Args& args) {
  choose("dequantize_int8", dequantize_int8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
