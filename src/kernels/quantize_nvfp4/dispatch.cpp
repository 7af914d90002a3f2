#include <array>

#include "kernels/quantize_nvfp4/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const QuantizeNvfp4Args&) { return nullptr; }

constexpr std::array<Implementation<QuantizeNvfp4Args>, 1> kList{{
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
