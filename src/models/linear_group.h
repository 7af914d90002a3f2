#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "kernels/runtime/matrix.h"
#include "lowp/nn/linear.h"

namespace lowp::models {

// Projections of one input (q, k, v; gate, up). Stacked, they run as one product: one call and one
// wait for the threads instead of several. The checkpoint's layers stay what they are; their
// weights become row ranges of the stacked one, so that no memory is held twice.
class LinearGroup {
 public:
  LinearGroup() = default;
  explicit LinearGroup(std::vector<nn::Linear> parts) : parts_(std::move(parts)) {}

  // x (T, K) to one (T, out_features) a part; rows may be strided.
  std::vector<torch::Tensor> forward(const torch::Tensor& x);

  // x (1, K) to the parts' rows side by side: out (1, sum of out_features). On the CPU, without
  // gradients.
  void row(const kernels::Matrix& x, const kernels::MutableMatrix& out);

  // Stacks what can be: plain weights, and weight-only schemes whose scales go by rows.
  void stack();

 private:
  bool stack_plain();
  bool stack_quantized();
  bool is_current() const;
  std::vector<std::int64_t> sizes() const;

  std::vector<nn::Linear> parts_;
  nn::Linear stacked_{nullptr};
};

}  // namespace lowp::models
