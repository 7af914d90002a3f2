// What the MX operators share: their string arguments and the shapes of their results.
#pragma once

#include "formats/mapping.h"
#include "ops/checks.h"
#include "ops/swizzle.h"

namespace lowp::ops {

inline MxScaleMode check_scaling_mode(const char* operation, std::string_view mode) {
  return check_choice<MxScaleMode>(operation, "scaling_mode", mode,
                                   {{"floor", MxScaleMode::kFloor},
                                    {"ceil", MxScaleMode::kCeil},
                                    {"even", MxScaleMode::kEven},
                                    {"rceil", MxScaleMode::kRceil}});
}

// "e4m3", "e5m2", "e2m3", "e3m2", "e2m1".
inline DType check_mx_element(const char* operation, std::string_view element) {
  return check_choice<DType>(operation, "element", element,
                             {{"e4m3", DType::kF8E4M3},
                              {"e5m2", DType::kF8E5M2},
                              {"e2m3", DType::kF6E2M3},
                              {"e3m2", DType::kF6E3M2},
                              {"e2m1", DType::kF4}});
}

// How torch holds codes: float8 as such, fp6 one a byte, fp4 two a byte.
inline ScalarType codes_dtype(DType element) {
  if (element == DType::kF8E4M3) return ScalarType::Float8_e4m3fn;
  if (element == DType::kF8E5M2) return ScalarType::Float8_e5m2;
  return ScalarType::Byte;
}

constexpr std::int64_t values_a_byte(DType element) { return element == DType::kF4 ? 2 : 1; }

// Shapes of codes and scales: along dim 1 those of x, along dim 0 those of its transpose.
struct MxShapes {
  MatrixShape codes;
  MatrixShape scale;
};

// What a quantize operator is asked for.
struct MxRequest {
  const char* operation;
  DType element;
  MxScaleMode mode;
  std::int64_t block_size;
  bool swizzled;

  MxRequest(const char* operation, std::string_view element, std::string_view scaling_mode,
            std::int64_t block_size, bool swizzled)
      : operation(operation),
        element(check_mx_element(operation, element)),
        mode(check_scaling_mode(operation, scaling_mode)),
        block_size(block_size),
        swizzled(swizzled) {}

  // For x (rows, cols) and blocks along its `dim`.
  MxShapes shapes(std::int64_t rows, std::int64_t cols, std::int64_t dim) const {
    if (dim == 0) std::swap(rows, cols);
    const std::int64_t packed = values_a_byte(element);
    if (block_size < 1 || cols % block_size != 0 || block_size % packed != 0) {
      fail(operation, "block_size does not fit x", std::to_string(block_size),
           concat({"a divisor of ", std::to_string(cols), ", even for e2m1"}));
    }
    const MatrixShape scale{rows, cols / block_size};
    return {{rows, cols / packed}, swizzled ? swizzled_shape(scale) : scale};
  }
};

// 0 or 1, counted from the end too.
inline std::int64_t check_dim(const char* operation, std::int64_t dim) {
  if (dim < -2 || dim > 1) fail(operation, "dim is not x's", std::to_string(dim), "0 or 1");
  return dim < 0 ? dim + 2 : dim;
}

}  // namespace lowp::ops
