#include "kernels/runtime/cpu.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

namespace lowp::kernels {
namespace {

constexpr std::array kNames{"scalar",      "avx2",        "avx_vnni", "avx512",
                            "avx512_vnni", "avx512_bf16", "amx"};

// Linux gives a process the AMX tile registers only on request.
bool request_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

// __builtin_cpu_supports checks XCR0 too, so a level the kernel masks is not reported.
bool detect(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
    case Isa::kAvxVnni:
      return detect(Isa::kAvx2) && __builtin_cpu_supports("avxvnni");
    case Isa::kAvx512:
      return detect(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case Isa::kAvx512Vnni:
      return detect(Isa::kAvx512) && __builtin_cpu_supports("avx512vnni");
    case Isa::kAvx512Bf16:
      return detect(Isa::kAvx512Vnni) && __builtin_cpu_supports("avx512bf16");
    case Isa::kAmx:
      return detect(Isa::kAvx512Bf16) && __builtin_cpu_supports("amx-int8") &&
             __builtin_cpu_supports("amx-bf16") && request_amx();
  }
  return false;
}

using Levels = std::array<bool, kNames.size()>;

Levels detect_up_to_cap() {
  const char* cap = std::getenv("LOWP_ISA");
  Levels levels{};
  for (std::size_t i = 0; i < levels.size(); ++i) {
    levels[i] = detect(static_cast<Isa>(i));
    if (cap != nullptr && cap == std::string_view(kNames[i])) break;
  }
  return levels;
}

const Levels& levels() {
  static const Levels detected = detect_up_to_cap();
  return detected;
}

}  // namespace

const char* name(Isa isa) { return kNames[static_cast<std::size_t>(isa)]; }

bool available(Isa isa) { return levels()[static_cast<std::size_t>(isa)]; }

Isa machine_isa() {
  std::size_t best = kNames.size() - 1;
  while (!levels()[best]) --best;
  return static_cast<Isa>(best);
}

}  // namespace lowp::kernels
