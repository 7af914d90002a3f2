#pragma once

#include <span>
#include <string_view>

#include "kernels/scaled_mm/scaled_mm.h"

namespace lowp::kernels {

// One way to multiply on Hopper. `refuse` returns nullptr if it takes the arguments, otherwise why
// not; `slower` why another, further down, should do it all the same, if nobody insists.
// `workspace` is what args.workspace must point to, in bytes, aligned to 256. `run` launches and
// returns nullptr or an error's text.
struct ScaledMmSm90 {
  const char* name;
  std::string_view family;  // "lowp", "cublaslt", "emulated": what a caller may insist on
  const char* (*refuse)(const ScaledMmArgs&);
  const char* (*slower)(const ScaledMmArgs&);
  std::int64_t (*workspace)(const ScaledMmArgs&);
  const char* (*run)(const ScaledMmArgs&);
};

// Best first. M, N, K and the batch are at least 1.
std::span<const ScaledMmSm90> scaled_mm_sm90();

}  // namespace lowp::kernels
