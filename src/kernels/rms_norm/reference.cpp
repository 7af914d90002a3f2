#include <cmath>

#include "kernels/rms_norm/implementations.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

void add_to_residual(const RmsNormArgs& args, std::int64_t row) {
  const MutableMatrix& residual = args.residual;
  const Matrix old{residual.data, residual.dtype, residual.rows, residual.cols, residual.stride};
  for (std::int64_t i = 0; i < args.x.cols; ++i) {
    store_element(residual, row, i, load_element(old, row, i) + load_element(args.x, row, i));
  }
}

}  // namespace

void rms_norm_reference(const RmsNormArgs& args) {
  const MutableMatrix& residual = args.residual;
  const Matrix input =
      residual.data == nullptr
          ? args.x
          : Matrix{residual.data, residual.dtype, residual.rows, residual.cols, residual.stride};
  for (std::int64_t row = 0; row < args.x.rows; ++row) {
    if (residual.data != nullptr) add_to_residual(args, row);
    double squares = 0.0;
    for (std::int64_t i = 0; i < input.cols; ++i) {
      const double value = load_element(input, row, i);
      squares += value * value;
    }
    const auto mean = static_cast<float>(squares / static_cast<double>(input.cols));
    const float factor = 1.0F / std::sqrt(mean + args.epsilon);
    for (std::int64_t i = 0; i < input.cols; ++i) {
      const float weight = load_element(args.weight, 0, i) + args.weight_offset;
      store_element(args.out, row, i, load_element(input, row, i) * factor * weight);
    }
  }
}

}  // namespace lowp::kernels
