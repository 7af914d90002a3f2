#include "kernels/score_logits/score_logits.h"

#include <torch/csrc/stable/library.h>

#include "ops/checks.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::score_logits";

void check_targets(const Tensor& targets, std::int64_t rows, std::int64_t vocabulary) {
  check_dense({kName, "targets", targets}, ScalarType::Long, {rows});
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t target = data<std::int64_t>(targets)[row];
    if (target < 0 || target >= vocabulary) {
      fail(kName, "targets has a token out of range", std::to_string(target),
           concat({"0 to ", std::to_string(vocabulary - 1)}));
    }
  }
}

void score_logits_out(const Tensor& logits, const Tensor& targets,
                      const std::optional<Tensor>& reference, const Tensor& likelihood,
                      const Tensor& divergence, const Tensor& same_top) {
  const kernels::Matrix matrix = check_matrix({kName, "logits", logits});
  if (matrix.cols == 0) fail(kName, "logits has no columns", to_string(logits.sizes()), "(M, V)");
  check_targets(targets, matrix.rows, matrix.cols);
  if (reference) check_shape({kName, "reference", *reference}, {matrix.rows, matrix.cols});
  const std::int64_t compared = reference ? matrix.rows : 0;
  check_dense({kName, "negative_log_likelihood", likelihood}, ScalarType::Float, {matrix.rows});
  check_dense({kName, "divergence", divergence}, ScalarType::Float, {compared});
  check_dense({kName, "same_top", same_top}, ScalarType::Byte, {compared});
  kernels::score_logits({
      .logits = matrix,
      .reference = reference ? check_matrix({kName, "reference", *reference}) : kernels::Matrix{},
      .targets = data<std::int64_t>(targets),
      .negative_log_likelihood = mutable_data<float>(likelihood),
      .divergence = mutable_data<float>(divergence),
      .same_top = mutable_data<std::uint8_t>(same_top),
      .parallel = torch_pool(),
  });
}

std::tuple<Tensor, Tensor, Tensor> score_logits(const Tensor& logits, const Tensor& targets,
                                                const std::optional<Tensor>& reference) {
  const std::int64_t rows = check_matrix({kName, "logits", logits}).rows;
  const std::int64_t compared = reference ? rows : 0;
  const Tensor likelihood = empty({rows}, ScalarType::Float);
  const Tensor divergence = empty({compared}, ScalarType::Float);
  const Tensor same_top = empty({compared}, ScalarType::Byte);
  score_logits_out(logits, targets, reference, likelihood, divergence, same_top);
  return {likelihood, divergence, same_top};
}

}  // namespace

// logits, reference (M, V); targets (M) int64. Returns (M): the negative log-likelihood of the
// targets, the divergence KL(softmax(reference) || softmax(logits)), and 1 where both have the same
// largest logit; the last two are empty without a reference.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "score_logits(Tensor logits, Tensor targets, Tensor? reference=None) -> (Tensor "
      "negative_log_likelihood, Tensor divergence, Tensor same_top)");
  library.def(
      "score_logits.out(Tensor logits, Tensor targets, Tensor? reference=None, *, Tensor(a!) "
      "negative_log_likelihood, Tensor(b!) divergence, Tensor(c!) same_top) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("score_logits", TORCH_BOX(&score_logits));
  library.impl("score_logits.out", TORCH_BOX(&score_logits_out));
}

}  // namespace lowp::ops
