#include <array>

#include "kernels/dequantize_mx/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const DequantizeMxArgs&) { return nullptr; }

constexpr std::array<Implementation<DequantizeMxArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, never, dequantize_mx_avx512},
    {"avx2", Isa::kAvx2, never, dequantize_mx_avx2},
    {"reference", Isa::kScalar, never, dequantize_mx_reference},
}};

}  // namespace

std::span<const Implementation<DequantizeMxArgs>> dequantize_mx_implementations() { return kList; }

void dequantize_mx(const DequantizeMxArgs& args) {
  choose("dequantize_mx", dequantize_mx_implementations(), args).run(args);
}

}  // namespace lowp::kernels
