#include "kernels/runtime/cpu.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace lowp::kernels {
namespace {

constexpr std::array kNames{"scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"};

// Linux gives a process the AMX tile registers only on request.
bool request_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

// __builtin_cpu_supports checks XCR0 too, so a level the kernel masks is not reported.
Isa detect() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (!avx2) return Isa::kScalar;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!avx512) return Isa::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::kAvx512Vnni;
  const bool amx = __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-bf16");
  return amx && request_amx() ? Isa::kAmx : Isa::kAvx512Bf16;
}

Isa cap_from_environment(Isa detected) {
  const char* text = std::getenv("LOWP_ISA");
  if (text == nullptr) return detected;
  const auto* found = std::find(kNames.begin(), kNames.end(), std::string_view(text));
  if (found == kNames.end()) return detected;
  return std::min(detected, static_cast<Isa>(found - kNames.begin()));
}

}  // namespace

const char* name(Isa isa) { return kNames[static_cast<std::size_t>(isa)]; }

Isa machine_isa() {
  static const Isa isa = cap_from_environment(detect());
  return isa;
}

}  // namespace lowp::kernels
