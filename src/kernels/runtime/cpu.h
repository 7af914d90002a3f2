#pragma once

#include <cstdint>

namespace lowp::kernels {

// Instruction-set levels, from the slowest to the fastest. Each includes the ones before it, except
// kAvxVnni, which some machines with AVX-512 lack. What the operating system has not enabled (XCR0;
// for AMX the arch_prctl permission) counts as absent.
//   kAvx2        AVX2, FMA, F16C
//   kAvxVnni     + VNNI in 256-bit vectors, without AVX-512
//   kAvx512      kAvx2 + AVX-512 F, BW, DQ, VL
//   kAvx512Vnni  + VNNI        kAvx512Bf16  + BF16        kAmx  + AMX tile, int8, bf16
enum class Isa : std::uint8_t { kScalar, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

const char* name(Isa isa);

// Whether this machine has the level and LOWP_ISA does not exclude it: a level's name (scalar,
// avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16, amx) excludes those after it. Read once.
bool available(Isa isa);

// The best level that is available.
Isa machine_isa();

}  // namespace lowp::kernels
