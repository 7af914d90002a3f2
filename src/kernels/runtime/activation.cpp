#include "kernels/runtime/activation.h"

#include <cmath>

namespace lowp::kernels {

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x > 0 || std::isnan(x) ? x : 0.0;
    case Activation::kGelu:
      return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case Activation::kGeluTanh:
      return x / (1.0 + std::exp(-double{kGeluSlope} * (x + double{kGeluCubic} * x * x * x)));
    case Activation::kSilu:
      return x / (1.0 + std::exp(-x));
  }
  return x;
}

}  // namespace lowp::kernels
