#include <array>

#include "kernels/quantize_nvfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeNvfp4Args&) { return nullptr; }

constexpr std::array<Implementation<QuantizeNvfp4Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_nvfp4_avx512},
    {"avx2", Isa::kAvx2, never, quantize_nvfp4_avx2},
    {"reference", Isa::kScalar, never, quantize_nvfp4_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeNvfp4Args>> quantize_nvfp4_implementations() {
  return kList;
}

void quantize_nvfp4(const QuantizeNvfp4Args& args) {
  choose("quantize_nvfp4", quantize_nvfp4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
