#include <array>

#include "kernels/quantize_intx/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeIntxArgs&) { return nullptr; }

constexpr std::array<Implementation<QuantizeIntxArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_intx_avx512},
    {"avx2", Isa::kAvx2, never, quantize_intx_avx2},
    {"reference", Isa::kScalar, never, quantize_intx_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeIntxArgs>> quantize_intx_implementations() { return kList; }

void quantize_intx(const QuantizeIntxArgs& args) {
  choose("quantize_intx", quantize_intx_implementations(), args).run(args);
}

}  // namespace lowp::kernels
