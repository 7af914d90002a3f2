#include "kernels/decode_advance/decode_advance.h"

#include <torch/csrc/stable/library.h>

#include "ops/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::decode_advance";

void decode_advance(const Tensor& logits, const Tensor& state, std::int64_t sliding_window) {
  const kernels::Matrix row = check_matrix({kName, "logits", logits});
  check_shape({kName, "logits", logits}, {1, row.cols});
  if (row.cols == 0) fail(kName, "logits has no columns", to_string(logits.sizes()), "(1, V)");
  check_dense({kName, "state", state}, ScalarType::Long, {kernels::decode_state::kSize});
  kernels::decode_advance({.logits = row,
                           .sliding_window = sliding_window,
                           .state = mutable_data<std::int64_t>(state)});
}

}  // namespace

// logits (1, V); state (7) int64: token, position, first key and end, those of sliding layers, and
// the token chosen (kernels/decode_advance/decode_advance.h). Chooses the token with the largest
// logit and moves the state on to the next step.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("decode_advance(Tensor logits, Tensor(a!) state, int sliding_window=0) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("decode_advance", TORCH_BOX(&decode_advance));
}

}  // namespace lowp::ops
