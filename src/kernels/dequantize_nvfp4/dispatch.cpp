#include <array>

#include "kernels/dequantize_nvfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeNvfp4Args&) { return nullptr; }

constexpr std::array<Implementation<DequantizeNvfp4Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_nvfp4_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_nvfp4_avx2},
    {"reference", Isa::kScalar, never, dequantize_nvfp4_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeNvfp4Args>> dequantize_nvfp4_implementations() {
  return kList;
}

void dequantize_nvfp4(const DequantizeNvfp4Args& args) {
  choose("dequantize_nvfp4", dequantize_nvfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
