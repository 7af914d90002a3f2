#include <array>

#include "kernels/quantize_mx/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeMxArgs&) { return nullptr; }

constexpr std::array<Implementation<QuantizeMxArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, quantize_mx_avx512},
    {"avx2", Isa::kAvx2, never, quantize_mx_avx2},
    {"reference", Isa::kScalar, never, quantize_mx_reference},
}};

}  // namespace

std::span<const Implementation<QuantizeMxArgs>> quantize_mx_implementations() { return kList; }

void quantize_mx(const QuantizeMxArgs& args) {
  choose("quantize_mx", quantize_mx_implementations(), args).run(args);
}

}  // namespace lowp::kernels
