#include <array>

#include "kernels/dequantize_fp8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeFp8Args&) { return nullptr; }

constexpr std::array<Implementation<DequantizeFp8Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_fp8_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_fp8_avx2},
    {"reference", Isa::kScalar, never, dequantize_fp8_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeFp8Args>> dequantize_fp8_implementations() {
  return kList;
}

void dequantize_fp8(const DequantizeFp8Args& args) {
  choose("dequantize_fp8", dequantize_fp8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
