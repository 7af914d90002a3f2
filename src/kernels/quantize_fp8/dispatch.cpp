#include <array>

#include "kernels/quantize_fp8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeFp8Args&) { return nullptr; }

constexpr std::array<Implementation<QuantizeFp8Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_fp8_avx512},
    {"avx2", Isa::kAvx2, never, quantize_fp8_avx2},
    {"reference", Isa::kScalar, never, quantize_fp8_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeFp8Args>> quantize_fp8_implementations() { return kList; }

void quantize_fp8(const QuantizeFp8Args& args) {
  choose("quantize_fp8", quantize_fp8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
