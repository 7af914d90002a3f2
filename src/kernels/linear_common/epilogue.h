// What a linear layer does with its results before they are rounded and stored.
#pragma once

#include "kernels/runtime/activation.h"

namespace lowp::kernels {

struct Epilogue {
  Activation activation = Activation::kNone;
  // Where the output is int8: code = clamp(round(result * reciprocal_scale), -128, 127), NaN is 0.
  float reciprocal_scale = 1.0F;
};

}  // namespace lowp::kernels
