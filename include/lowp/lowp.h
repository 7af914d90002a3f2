// The whole C++ API.
#pragma once

#include "lowp/configs.h"            // IWYU pragma: export
#include "lowp/error.h"              // IWYU pragma: export
#include "lowp/models/causal_lm.h"   // IWYU pragma: export
#include "lowp/nn/grouped_linear.h"  // IWYU pragma: export
#include "lowp/nn/linear.h"          // IWYU pragma: export
#include "lowp/quantize.h"           // IWYU pragma: export
