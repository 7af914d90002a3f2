// lowp::decode_advance on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/decode_advance/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::decode_advance";

void decode_advance(const Tensor& logits, const Tensor& state, std::int64_t sliding_window) {
  const kernels::Matrix row = check_cuda_floats({kName, "logits", logits}, logits);
  check_shape({kName, "logits", logits}, {1, row.cols});
  if (row.cols == 0) fail(kName, "logits has no columns", to_string(logits.sizes()), "(1, V)");
  check_same_device({kName, "state", state}, logits);
  check_cuda_dense({kName, "state", state}, ScalarType::Long, {kernels::decode_state::kSize});
  const Launch launch(logits);
  check_launch(kName, kernels::decode_advance_cuda({.logits = row,
                                                    .sliding_window = sliding_window,
                                                    .state = mutable_data<std::int64_t>(state)},
                                                   launch.stream));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("decode_advance", TORCH_BOX(&decode_advance));
}

}  // namespace lowp::ops
