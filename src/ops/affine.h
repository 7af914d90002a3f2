// What the affine integer operators check alike on every device.
#pragma once

#include "formats/mapping.h"
#include "ops/checks.h"

namespace lowp::ops {

inline Mapping check_int8_mapping(const char* operation, std::string_view mapping) {
  return check_choice<Mapping>(operation, "mapping", mapping,
                               {{"symmetric", Mapping::kSymmetric},
                                {"symmetric_no_clipping_err", Mapping::kSymmetricNoClippingError},
                                {"asymmetric", Mapping::kAsymmetric}});
}

inline void check_int8_zero_point(const char* operation, std::string_view name, Mapping mapping,
                                  bool given) {
  if (given == (mapping == Mapping::kAsymmetric)) return;
  fail(operation, "zero_point does not go with the mapping", name,
       "zero_point with asymmetric alone");
}

inline Mapping check_int4_mapping(const char* operation, std::string_view mapping) {
  return check_choice<Mapping>(operation, "mapping", mapping,
                               {{"symmetric", Mapping::kSymmetric},
                                {"asymmetric", Mapping::kAsymmetric},
                                {"float_zero", Mapping::kFloatZero}});
}

inline void check_int4_group(const char* operation, const kernels::Matrix& x,
                             std::int64_t group_size) {
  if (group_size >= 2 && group_size % 2 == 0 && x.cols % group_size == 0) return;
  fail(operation, "group_size does not fit x", std::to_string(group_size),
       concat({"an even divisor of ", std::to_string(x.cols)}));
}

// One of the two zeros, which goes with one mapping alone.
inline void check_int4_zero(const char* operation, const char* name, bool given, bool wanted) {
  if (given == wanted) return;
  fail(operation, concat({name, " does not go with the mapping"}), given ? "a tensor" : "none",
       "zero_point with asymmetric, zero with float_zero, else none");
}

}  // namespace lowp::ops
