// Loops whose operands stay in registers: what a core's units could do, which products are held
// against. Those named "loads" read their operands from L1.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/cpu.h"

namespace lowp::kernels {

struct Limit {
  const char* name;  // type and level: "int8_amx"
  Isa isa;
  std::int64_t operations;  // of one iteration; a multiply and its add are two
  void (*run)(std::int64_t iterations);
};

// Loops of every level, whether this machine has it or not.
std::span<const Limit> limits();

}  // namespace lowp::kernels
