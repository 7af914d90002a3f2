// The string argument of the float8 operators.
#pragma once

#include "ops/checks.h"

namespace lowp::ops {

inline DType check_fp8_element(const char* operation, std::string_view element) {
  return check_choice<DType>(operation, "element", element,
                             {{"e4m3", DType::kF8E4M3}, {"e5m2", DType::kF8E5M2}});
}

inline ScalarType fp8_dtype(DType element) {
  return element == DType::kF8E4M3 ? ScalarType::Float8_e4m3fn : ScalarType::Float8_e5m2;
}

}  // namespace lowp::ops
