#include "kernels/runtime/range.h"

#include "formats/float_bits.h"
#include "kernels/runtime/element.h"

namespace lowp::kernels {
namespace {

std::int32_t to_ordered(float x) {
  const auto bits = static_cast<std::int32_t>(to_bits(x));
  return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
}

float from_ordered(std::int32_t ordered) {
  return from_bits(static_cast<std::uint32_t>(ordered < 0 ? ordered ^ 0x7FFFFFFF : ordered));
}

// Builtins, so that no library template with internal state needs to be instantiated in files of
// other ISA levels.
template <class Better>
void replace_if(std::int32_t& shared, std::int32_t value, Better better) {
  std::int32_t current = __atomic_load_n(&shared, __ATOMIC_RELAXED);
  while (better(value, current) &&
         !__atomic_compare_exchange_n(&shared, &current, value, true, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
}

}  // namespace

Range range_of(const Matrix& x, const Span& span) {
  Range range{kInf, -kInf};
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    for (std::int64_t col = span.col; col < span.col + span.cols; ++col) {
      const float value = load_element(x, row, col);
      if (is_nan(value)) return {kNaN, kNaN};
      if (value < range.min) range.min = value;
      if (value > range.max) range.max = value;
    }
  }
  return {range.min + 0.0F, range.max + 0.0F};
}

Range amax_range_of(const Matrix& x, const Span& span) {
  const Range range = range_of(x, span);
  const float amax = -range.min > range.max ? -range.min : range.max;
  return is_nan(amax) ? range : Range{-amax, amax};
}

void SharedRange::merge(Range range) {
  replace_if(max_, to_ordered(range.max), [](auto a, auto b) { return a > b; });
  replace_if(min_, to_ordered(range.min), [](auto a, auto b) { return a < b; });
}

Range SharedRange::get() const {
  const float max = from_ordered(max_);
  return {is_nan(max) ? max : from_ordered(min_), max};
}

}  // namespace lowp::kernels
