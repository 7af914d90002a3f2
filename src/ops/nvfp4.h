// What quantize_nvfp4 on CPU and CUDA share: its arguments and the shapes of its results.
#pragma once

#include <optional>

#include "formats/mapping.h"
#include "ops/checks.h"
#include "ops/swizzle.h"

namespace lowp::ops {

inline constexpr std::int64_t kNvfp4Cols = 16;  // that share a block scale

inline Nvfp4Recipe check_recipe(const char* operation, std::string_view recipe) {
  return check_choice<Nvfp4Recipe>(
      operation, "recipe", recipe,
      {{"inference", Nvfp4Recipe::kInference}, {"training", Nvfp4Recipe::kTraining}});
}

// numerics of torchao and TransformerEngine: e4m3's smallest normal, and no floor.
inline float block_scale_floor(Nvfp4Recipe recipe, std::optional<double> given) {
  return given ? static_cast<float>(*given) : recipe == Nvfp4Recipe::kInference ? 0x1p-6F : 0.0F;
}

inline MatrixShape check_block_scale_shape(const char* operation, std::int64_t rows,
                                           std::int64_t cols, bool swizzled) {
  if (cols % kNvfp4Cols != 0) {
    fail(operation, "x has the wrong number of columns", std::to_string(cols), "a multiple of 16");
  }
  const MatrixShape plain{rows, cols / kNvfp4Cols};
  return swizzled ? swizzled_shape(plain) : plain;
}

}  // namespace lowp::ops
