#pragma once

#include <cstdint>

namespace lowp::kernels {

// Instruction-set levels, each including the ones before it. What the operating system has not
// enabled (XCR0; for AMX the arch_prctl permission) counts as absent.
//   kAvx2        AVX2, FMA, F16C
//   kAvx512      AVX-512 F, BW, DQ, VL
//   kAvx512Vnni  + VNNI        kAvx512Bf16  + BF16        kAmx  + AMX tile, int8, bf16
enum class Isa : std::uint8_t { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

const char* name(Isa isa);

// The best level of this machine, capped by LOWP_ISA (the names above: scalar, avx2, avx512,
// avx512_vnni, avx512_bf16, amx). Read once.
Isa machine_isa();

}  // namespace lowp::kernels
