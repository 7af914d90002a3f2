// The string arguments of the MX operators.
#pragma once

#include "formats/mapping.h"
#include "ops/checks.h"

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

}  // namespace lowp::ops
