#include <array>

#include "kernels/dequantize_int4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeInt4Args&) { return nullptr; }

constexpr std::array<Implementation<DequantizeInt4Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_int4_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_int4_avx2},
    {"reference", Isa::kScalar, never, dequantize_int4_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeInt4Args>> dequantize_int4_implementations() {
  return kList;
}

void dequantize_int4(const DequantizeInt4Args& args) {
  choose("dequantize_int4", dequantize_int4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
