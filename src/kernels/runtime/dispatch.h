#pragma once

#include <span>

#include "kernels/runtime/cpu.h"

namespace lowp::kernels {

// One way to run an operation. `refuse` returns nullptr if it takes the arguments, otherwise why
// not.
template <class Args>
struct Implementation {
  const char* name;
  Isa isa;
  const char* (*refuse)(const Args&);
  void (*run)(const Args&);
};

// Prints one line if LOWP_VERBOSE=dispatch; reason is nullptr for the implementation that was
// chosen.
void log_choice(const char* operation, const char* implementation, const char* reason);

// The first implementation of the list that this machine has and that takes the arguments.
// The last one of every list is the reference, which takes everything the operation allows.
// This is also the query: the result's `name` says which path a call with these arguments runs.
template <class Args>
const Implementation<Args>& choose(const char* operation,
                                   std::span<const Implementation<Args>> list, const Args& args) {
  for (const auto& candidate : list.first(list.size() - 1)) {
    const char* reason =
        available(candidate.isa) ? candidate.refuse(args) : "the machine lacks its instructions";
    log_choice(operation, candidate.name, reason);
    if (reason == nullptr) return candidate;
  }
  log_choice(operation, list.back().name, nullptr);
  return list.back();
}

}  // namespace lowp::kernels
