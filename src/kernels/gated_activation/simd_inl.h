// A file of one ISA level includes its vectors first.
#pragma once

#include "kernels/gated_activation/implementations.h"
#include "kernels/runtime/activation_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kGrainElements = 8192;

template <GateActivation kActivation>
Floats activate(Floats x) {
  return kActivation == GateActivation::kSilu ? silu_lanes(x) : gelu_tanh_lanes(x);
}

template <GateActivation kActivation>
void run_row(const GatedActivationArgs& args, std::int64_t row) {
  const std::int64_t cols = args.gate.cols;
  for (std::int64_t i = 0; i < cols; i += kLanes) {
    const Lanes lanes = first_lanes(cols - i);
    const Floats gate = activate<kActivation>(load_lanes(args.gate, row, i, lanes));
    store_lanes(args.out, row, i, lanes, multiply(gate, load_lanes(args.up, row, i, lanes)));
  }
}

inline void run_on_vectors(const GatedActivationArgs& args) {
  const std::int64_t cols = args.gate.cols;
  const std::int64_t grain = kGrainElements / (cols + 1) + 1;
  const auto run = args.activation == GateActivation::kSilu ? run_row<GateActivation::kSilu>
                                                            : run_row<GateActivation::kGeluTanh>;
  parallel_for(args.parallel, args.gate.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) run(args, row);
  });
}

}  // namespace
}  // namespace lowp::kernels
