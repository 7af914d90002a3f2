// lowp::score_logits on CUDA. Targets are not looked at on the host, which would wait for the GPU:
// one out of range gives NaN.
#include <torch/csrc/stable/library.h>

#include "kernels/score_logits/cuda.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::score_logits";

void score_logits_out(const Tensor& logits, const Tensor& targets,
                      const std::optional<Tensor>& reference, const Tensor& likelihood,
                      const Tensor& divergence, const Tensor& same_top) {
  const kernels::Matrix matrix = check_cuda_floats({kName, "logits", logits}, logits);
  if (matrix.cols == 0) fail(kName, "logits has no columns", to_string(logits.sizes()), "(M, V)");
  check_same_device({kName, "targets", targets}, logits);
  check_cuda_dense({kName, "targets", targets}, ScalarType::Long, {matrix.rows});
  if (reference) check_shape({kName, "reference", *reference}, {matrix.rows, matrix.cols});
  const std::int64_t compared = reference ? matrix.rows : 0;
  check_cuda_dense({kName, "negative_log_likelihood", likelihood}, ScalarType::Float,
                   {matrix.rows});
  check_cuda_dense({kName, "divergence", divergence}, ScalarType::Float, {compared});
  check_cuda_dense({kName, "same_top", same_top}, ScalarType::Byte, {compared});
  const kernels::ScoreLogitsArgs args{
      .logits = matrix,
      .reference = reference ? check_cuda_floats({kName, "reference", *reference}, logits)
                             : kernels::Matrix{},
      .targets = data<std::int64_t>(targets),
      .negative_log_likelihood = mutable_data<float>(likelihood),
      .divergence = mutable_data<float>(divergence),
      .same_top = mutable_data<std::uint8_t>(same_top),
      .parallel = nullptr,
  };
  const Launch launch(logits);
  check_launch(kName, kernels::score_logits_cuda(args, launch.stream));
}

std::tuple<Tensor, Tensor, Tensor> score_logits(const Tensor& logits, const Tensor& targets,
                                                const std::optional<Tensor>& reference) {
  const std::int64_t rows = check_cuda_floats({kName, "logits", logits}, logits).rows;
  const std::int64_t compared = reference ? rows : 0;
  const Tensor likelihood = empty_cuda(logits, {rows}, ScalarType::Float);
  const Tensor divergence = empty_cuda(logits, {compared}, ScalarType::Float);
  const Tensor same_top = empty_cuda(logits, {compared}, ScalarType::Byte);
  score_logits_out(logits, targets, reference, likelihood, divergence, same_top);
  return {likelihood, divergence, same_top};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("score_logits", TORCH_BOX(&score_logits));
  library.impl("score_logits.out", TORCH_BOX(&score_logits_out));
}

}  // namespace lowp::ops
