#include <array>

#include "kernels/dequantize_int8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeInt8Args&) { return nullptr; }

constexpr std::array<Implementation<DequantizeInt8Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_int8_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_int8_avx2},
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
