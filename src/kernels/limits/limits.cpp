#include "kernels/limits/limits.h"

#include <array>

#include "kernels/limits/loops.h"

namespace lowp::kernels {
namespace {

// Of a vector or tile of so many sums, each of which takes `products` an instruction.
constexpr std::int64_t operations(std::int64_t instructions, std::int64_t sums,
                                  std::int64_t products) {
  return 2 * instructions * sums * products;
}

constexpr std::array<Limit, 11> kLimits{{
    {"fp32_avx2", Isa::kAvx2, operations(kAvx2Sums, 8, 1), fp32_avx2},
    {"int8_avx2", Isa::kAvx2, operations(kAvx2Sums, 16, 2), int8_avx2},
    {"int8_avx_vnni", Isa::kAvxVnni, operations(kAvx2Sums, 8, 4), int8_avx_vnni},
    {"fp32_avx512", Isa::kAvx512, operations(kAvx512Sums, 16, 1), fp32_avx512},
    {"int8_avx512", Isa::kAvx512, operations(kAvx512Sums, 32, 2), int8_avx512},
    {"int8_avx512_vnni", Isa::kAvx512Vnni, operations(kAvx512Sums, 16, 4), int8_avx512_vnni},
    {"bf16_avx512_bf16", Isa::kAvx512Bf16, operations(kAvx512Sums, 16, 2), bf16_avx512_bf16},
    {"int8_amx", Isa::kAmx, operations(kAmxSums, 256, 64), int8_amx},
    {"bf16_amx", Isa::kAmx, operations(kAmxSums, 256, 32), bf16_amx},
    {"int8_amx_loads", Isa::kAmx, operations(kAmxSums, 256, 64), int8_amx_loads},
    {"bf16_amx_loads", Isa::kAmx, operations(kAmxSums, 256, 32), bf16_amx_loads},
}};

}  // namespace

std::span<const Limit> limits() { return kLimits; }

}  // namespace lowp::kernels
