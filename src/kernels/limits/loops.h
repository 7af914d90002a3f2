#pragma once

#include <cstdint>

namespace lowp::kernels {

void fp32_avx2(std::int64_t iterations);
void int8_avx2(std::int64_t iterations);
void int8_avx_vnni(std::int64_t iterations);
void fp32_avx512(std::int64_t iterations);
void int8_avx512(std::int64_t iterations);
void int8_avx512_vnni(std::int64_t iterations);
void bf16_avx512_bf16(std::int64_t iterations);
void int8_amx(std::int64_t iterations);
void bf16_amx(std::int64_t iterations);

// Both operands from L1, as products of matrices have them. On a core whose other thread is busy,
// be it with another machine's work, these take three times as long as those above.
void int8_amx_loads(std::int64_t iterations);
void bf16_amx_loads(std::int64_t iterations);

constexpr int kAvx2Sums = 12;    // of 16 registers
constexpr int kAvx512Sums = 24;  // of 32
constexpr int kAmxSums = 4;      // of 8

}  // namespace lowp::kernels
