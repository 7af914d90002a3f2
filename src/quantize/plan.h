// What a config asks of one weight.
#pragma once

#include "lowp/configs.h"
#include "lowp/nn/linear.h"
#include "schemes/quantized_weight.h"

namespace lowp {

struct Plan {
  Scheme scheme;
  QuantizeWeightOptions options;
  nn::ActivationOptions activation;
};

// Throws lowp::Error for a config that no layer could follow.
Plan plan_from_config(const Config& config);

}  // namespace lowp
