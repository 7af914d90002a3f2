// Loops over elements for the quantize and dequantize kernels, once for all vector widths. A file
// of one ISA level includes its vectors first (avx2_inl.h, avx512_inl.h) and then this; everything
// has internal linkage, so no level's code can stand in for another's.
//
// The vectors: Floats and Ints hold kLanes numbers of 32 bits, Int16s holds kStep = 2 * kLanes of
// 16 bits in the order of memory. F32, F16 and BF16 load kStep elements as a Pair of Floats in a
// lane order of their own, which join undoes while narrowing to Int16s; store takes the Pair in
// order, which `order` turns into theirs. `count` less than kStep loads or stores that many; the
// other lanes are 0, or `otherwise`.
#pragma once

#include "formats/dtype.h"
#include "kernels/runtime/blocks.h"
#include "kernels/runtime/matrix.h"
#include "kernels/runtime/range.h"

namespace lowp::kernels {
namespace {

// Calls f with the element type of a matrix.
template <class Function>
inline void with_element(DType dtype, const Function& f) {
  if (dtype == DType::kF32) {
    f(F32{});
  } else if (dtype == DType::kF16) {
    f(F16{});
  } else {
    f(BF16{});
  }
}

template <class Element>
inline const typename Element::Type* at(const Matrix& x, std::int64_t row, std::int64_t col) {
  return static_cast<const typename Element::Type*>(x.data) + row * x.stride + col;
}

template <class Element>
inline typename Element::Type* at(const MutableMatrix& x, std::int64_t row, std::int64_t col) {
  return static_cast<typename Element::Type*>(x.data) + row * x.stride + col;
}

inline float float_of_bits(std::int32_t bits) { return __builtin_bit_cast(float, bits); }

// The number whose bits are the low ones of `bits`.
inline float scalar(F32, std::int32_t bits) { return float_of_bits(bits); }
inline float scalar(F16, std::int32_t bits) { return _cvtsh_ss(static_cast<std::uint16_t>(bits)); }
inline float scalar(BF16, std::int32_t bits) {
  return float_of_bits(static_cast<std::int32_t>(static_cast<std::uint32_t>(bits) << 16));
}

inline constexpr std::int32_t kMagnitude32 = 0x7FFFFFFF;
inline constexpr std::int32_t kMagnitude16 = 0x7FFF;
inline constexpr std::int32_t kQuietNaN = 0x7FC00000;

inline bool is_nan_value(float x) { return x != x; }

// Calls row(x, cols) for every row of the rectangle.
template <class Element, class Row>
inline void for_each_row(const Matrix& x, const Span& span, const Row& row) {
  for (std::int64_t i = span.row; i < span.row + span.rows; ++i) {
    row(at<Element>(x, i, span.col), span.cols);
  }
}

// Bits of the largest |x|: magnitudes order as integers, NaN above all.
template <class Element>
inline std::int32_t amax_bits(const Matrix& x, const Span& span) {
  if constexpr (sizeof(typename Element::Type) == 4) {
    const Ints magnitude = broadcast(kMagnitude32);
    Ints most = broadcast(0);
    for_each_row<Element>(x, span, [&](const float* row, std::int64_t cols) {
      std::int64_t i = 0;
      for (; i + kLanes <= cols; i += kLanes) most = max(most, bit_and(load32(row + i), magnitude));
      if (i < cols) most = max(most, bit_and(load32(row + i, cols - i, broadcast(0)), magnitude));
    });
    return reduce_max32(most);
  } else {
    const Int16s magnitude = broadcast16(kMagnitude16);
    Int16s most = broadcast16(0);
    for_each_row<Element>(x, span, [&](const std::uint16_t* row, std::int64_t cols) {
      std::int64_t i = 0;
      for (; i + kStep <= cols; i += kStep) most = max16(most, bit_and(load16(row + i), magnitude));
      if (i < cols)
        most = max16(most, bit_and(load16(row + i, cols - i, broadcast16(0)), magnitude));
    });
    return reduce_max16(most);
  }
}

// {-amax, amax} as amax_range_of (range.h).
template <class Element>
inline Range amax_range(const Matrix& x, const Span& span) {
  const float amax = scalar(Element{}, amax_bits<Element>(x, span));
  const float nan = float_of_bits(kQuietNaN);
  return is_nan_value(amax) ? Range{nan, nan} : Range{-amax, amax};
}

struct OrderedRange {
  std::int32_t least;
  std::int32_t most;
};

template <class Element>
inline OrderedRange ordered_range(const Matrix& x, const Span& span) {
  if constexpr (sizeof(typename Element::Type) == 4) {
    Ints least = broadcast(kMagnitude32);
    Ints most = broadcast(~kMagnitude32);
    for_each_row<Element>(x, span, [&](const float* row, std::int64_t cols) {
      const Ints some = broadcast(__builtin_bit_cast(std::int32_t, row[0]));
      for (std::int64_t i = 0; i < cols; i += kLanes) {
        const Ints value =
            ordered32(cols - i >= kLanes ? load32(row + i) : load32(row + i, cols - i, some));
        least = min(least, value);
        most = max(most, value);
      }
    });
    return {reduce_min32(least), reduce_max32(most)};
  } else {
    Int16s least = broadcast16(kMagnitude16);
    Int16s most = broadcast16(~kMagnitude16);
    for_each_row<Element>(x, span, [&](const std::uint16_t* row, std::int64_t cols) {
      const Int16s some = broadcast16(row[0]);
      for (std::int64_t i = 0; i < cols; i += kStep) {
        const Int16s value =
            ordered16(cols - i >= kStep ? load16(row + i) : load16(row + i, cols - i, some));
        least = min16(least, value);
        most = max16(most, value);
      }
    });
    return {reduce_min16(least), reduce_max16(most)};
  }
}

// As range_of (range.h). Adding +0 turns -0 into +0.
template <class Element>
inline Range value_range(const Matrix& x, const Span& span) {
  constexpr std::int32_t kFlip = sizeof(typename Element::Type) == 4 ? kMagnitude32 : kMagnitude16;
  const OrderedRange ordered = ordered_range<Element>(x, span);
  const auto number = [](std::int32_t value) {
    return scalar(Element{}, value < 0 ? value ^ kFlip : value);
  };
  const Range range{number(ordered.least) + 0.0F, number(ordered.most) + 0.0F};
  const float nan = float_of_bits(kQuietNaN);
  return is_nan_value(range.min) || is_nan_value(range.max) ? Range{nan, nan} : range;
}

// Covers [0, cols): body(i) for kStep columns from i, body(i, count) for fewer.
template <class Body>
inline void for_each_range(std::int64_t cols, const Body& body) {
  std::int64_t i = 0;
  for (; i + kStep <= cols; i += kStep) body(i);
  if (i < cols) body(i, cols - i);
}

// The same with the elements of a row: body(i, x) with x a Pair, body(i, x, count).
template <class Element, class Body>
inline void for_each_step(const typename Element::Type* x, std::int64_t cols, const Body& body) {
  for_each_range(cols, [&](std::int64_t i, auto... count) {
    body(i, Element::load(x + i, count...), count...);
  });
}

template <class Element>
inline void fill_with_nan(const MutableMatrix& out, const Span& span) {
  const Floats nan = floats_of(broadcast(kQuietNaN));
  for (std::int64_t row = span.row; row < span.row + span.rows; ++row) {
    auto* values = at<Element>(out, row, span.col);
    for_each_range(span.cols, [&](std::int64_t i, auto... count) {
      Element::store(values + i, {nan, nan}, count...);
    });
  }
}

}  // namespace
}  // namespace lowp::kernels
