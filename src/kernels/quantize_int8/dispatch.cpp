#include <array>

#include "kernels/quantize_int8/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeInt8Args&) { return nullptr; }

constexpr std::array<Implementation<QuantizeInt8Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_int8_avx512},
    {"avx2", Isa::kAvx2, never, quantize_int8_avx2},
    {"reference", Isa::kScalar, never, quantize_int8_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeInt8Args>> quantize_int8_implementations() { return kList; }

void quantize_int8(const QuantizeInt8Args& args) {
  choose("quantize_int8", quantize_int8_implementations(), args).run(args);
}

}  // namespace lowp::kernels
