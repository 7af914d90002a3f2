#include <array>

#include "kernels/dequantize_intx/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeIntxArgs&) { return nullptr; }

constexpr std::array<Implementation<DequantizeIntxArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_intx_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_intx_avx2},
    {"reference", Isa::kScalar, never, dequantize_intx_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeIntxArgs>> dequantize_intx_implementations() {
  return kList;
}

void dequantize_intx(const DequantizeIntxArgs& args) {
  choose("dequantize_intx", dequantize_intx_implementations(), args).run(args);
}

}  // namespace lowp::kernels
