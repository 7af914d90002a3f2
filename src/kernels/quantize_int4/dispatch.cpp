#include <array>

#include "kernels/quantize_int4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeInt4Args&) { return nullptr; }

constexpr std::array<Implementation<QuantizeInt4Args>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_int4_avx512},
    {"avx2", Isa::kAvx2, never, quantize_int4_avx2},
    {"reference", Isa::kScalar, never, quantize_int4_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeInt4Args>> quantize_int4_implementations() { return kList; }

void quantize_int4(const QuantizeInt4Args& args) {
  choose("quantize_int4", quantize_int4_implementations(), args).run(args);
}

}  // namespace lowp::kernels
