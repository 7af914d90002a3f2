#include "models/linear_group.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "nn/linear_row.h"
#include "nn/quantized_state.h"
#include "schemes/quantized_weight.h"

namespace lowp::models {
namespace {

using torch::Tensor;

template <class T>
void append(std::vector<T>& all, const std::vector<T>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

// Every scale belongs to one row, and nothing to the whole tensor or to the activations.
bool goes_by_rows(const Scheme& scheme) {
  return (scheme.granularity == Granularity::kRow || scheme.granularity == Granularity::kGroup) &&
         scheme.weight != WeightFormat::kNvfp4 && scheme.activation == ActivationFormat::kNone;
}

bool same_layout(const QuantizedWeight& a, const QuantizedWeight& b) {
  return a.scheme.name == b.scheme.name && a.scheme.group_size == b.scheme.group_size &&
         a.k == b.k && a.dtype == b.dtype && a.scale_dtype == b.scale_dtype;
}

void append_rows(QuantizedWeight& all, const QuantizedWeight& part) {
  all.n += part.n;
  append(all.codes, part.codes);
  append(all.scale, part.scale);
  append(all.block_scale, part.block_scale);
  append(all.zero_point, part.zero_point);
  append(all.zero, part.zero);
}

// Makes `part` the rows of `whole` that begin at `row`.
void share_rows(const Tensor& part, const Tensor& whole, std::int64_t row) {
  part.set_data(whole.narrow(0, row, part.size(0)));
}

}  // namespace

std::vector<Tensor> LinearGroup::forward(const Tensor& x) {
  std::vector<Tensor> outputs;
  // The stacked weight has no gradients: the parts' parameters have them.
  if (stacked_.is_empty() || at::GradMode::is_enabled() || !is_current()) {
    for (nn::Linear& part : parts_) outputs.push_back(part->forward(x));
    return outputs;
  }
  return stacked_->forward(x).split_with_sizes(sizes(), -1);
}

void LinearGroup::row(const kernels::Matrix& x, const kernels::MutableMatrix& out) {
  if (!stacked_.is_empty() && is_current()) return nn::linear_row(*stacked_, x, out);
  auto* to = static_cast<char*>(out.data);
  for (nn::Linear& part : parts_) {
    const std::int64_t n = part->options.out_features();
    nn::linear_row(*part, x, {to, out.dtype, 1, n, n});
    to += n * bits(out.dtype) / 8;
  }
}

void LinearGroup::stack() {
  const at::NoGradGuard no_grad;
  stacked_ = nullptr;
  const bool has_bias = std::any_of(parts_.begin(), parts_.end(),
                                    [](const nn::Linear& part) { return part->bias.defined(); });
  if (has_bias) return;
  if (!stack_plain()) stack_quantized();
}

bool LinearGroup::stack_plain() {
  std::vector<Tensor> weights;
  for (const nn::Linear& part : parts_) {
    if (part->is_quantized()) return false;
    weights.push_back(part->weight.detach());
  }
  stacked_ = nn::Linear(torch::cat(weights));
  std::int64_t row = 0;
  for (const nn::Linear& part : parts_) {
    share_rows(part->weight, stacked_->weight, row);
    row += part->options.out_features();
  }
  return true;
}

bool LinearGroup::stack_quantized() {
  QuantizedWeight all;
  for (const nn::Linear& part : parts_) {
    if (!part->is_quantized()) return false;
    QuantizedWeight weight = part->quantized_weight();
    if (!goes_by_rows(weight.scheme)) return false;
    if (all.n == 0) {
      all = std::move(weight);
    } else if (same_layout(all, weight)) {
      append_rows(all, weight);
    } else {
      return false;
    }
  }
  const torch::Device device = parts_.front()->quantized_state()->codes.device();
  stacked_ =
      nn::Linear(torch::empty({all.n, all.k}, torch::dtype(torch::kBFloat16).device(device)));
  stacked_->set_quantized_weight(all);
  const bool packed = std::all_of(parts_.begin(), parts_.end(),
                                  [](const nn::Linear& part) { return part->is_packed(); });
  if (packed) stacked_->pack();
  const auto buffers = stacked_->named_buffers();
  std::int64_t row = 0;
  for (nn::Linear& part : parts_) {
    if (!packed) part->unpack();
    for (const auto& buffer : part->named_buffers()) {
      const Tensor* whole = buffers.find(buffer.key());
      if (whole == nullptr || whole->dim() == 0) continue;
      const std::int64_t together = packed && whole->dim() > 2 ? 8 : 1;  // rows
      if (whole->size(0) * together == all.n) share_rows(buffer.value(), *whole, row / together);
    }
    row += part->options.out_features();
  }
  return true;
}

// False once a part was quantized, dequantized or moved since it was stacked.
bool LinearGroup::is_current() const {
  const auto data = [](const nn::Linear& linear) {
    const nn::QuantizedState* state = linear->quantized_state();
    return (state == nullptr ? linear->weight : state->codes).const_data_ptr();
  };
  const bool quantized = stacked_->is_quantized();
  const auto changed = [&](const nn::Linear& part) { return part->is_quantized() != quantized; };
  return std::none_of(parts_.begin(), parts_.end(), changed) &&
         data(parts_.front()) == data(stacked_);
}

std::vector<std::int64_t> LinearGroup::sizes() const {
  std::vector<std::int64_t> sizes;
  for (const nn::Linear& part : parts_) sizes.push_back(part->options.out_features());
  return sizes;
}

}  // namespace lowp::models
