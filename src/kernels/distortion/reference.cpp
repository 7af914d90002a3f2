// In terms of the compiler's vectors, which make the baseline four wide. GCC 12 makes code from
// this that is seven times slower on AVX2 than intrinsics are, three times on AVX-512.
#include <algorithm>
#include <array>
#include <cstring>

#include "formats/fp16.h"
#include "kernels/distortion/implementations.h"

namespace lowp::kernels {
namespace {

constexpr int kLanes = 16;  // of the sums, on every level
constexpr int kWidth = 4;
constexpr int kParts = kLanes / kWidth;
using Floats = float __attribute__((vector_size(4 * kWidth)));
using Ints = std::int32_t __attribute__((vector_size(4 * kWidth)));
using Doubles = double __attribute__((vector_size(8 * kWidth)));

struct Lanes {
  Doubles signal{};
  Doubles noise{};
  Ints max_error{};  // bits of a float that is not negative: they are ordered as the floats are
  Ints clipped{};    // counted downwards: a true comparison is -1
  Ints zeros{};
  Ints non_finite{};
  Ints bad_values{};
};

// x of one step; lanes beyond `count` stay 0. A constant count makes the copies plain loads.
inline void load_x(float* out, const void* data, DType dtype, std::int64_t count) {
  const auto* codes = static_cast<const std::uint16_t*>(data);
  if (dtype == DType::kBF16) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(codes[i]) << 16;
      std::memcpy(out + i, &bits, sizeof(bits));
    }
  } else if (dtype == DType::kF32) {
    std::memcpy(out, data, static_cast<std::size_t>(count) * 4);
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = Fp16::to_float(codes[i]);
  }
}

// `?:` on vectors is slow below AVX-512 in GCC 12; masks are not.
inline void accumulate(Lanes& lanes, const float* x_data, const float* y_data, float low,
                       float high) {
  Floats x;
  Floats y;
  Ints x_bits;
  Ints y_bits;
  std::memcpy(&x, x_data, sizeof(x));
  std::memcpy(&y, y_data, sizeof(y));
  std::memcpy(&x_bits, x_data, sizeof(x));
  std::memcpy(&y_bits, y_data, sizeof(y));
  const Ints x_finite = (x_bits & 0x7FFFFFFF) < 0x7F800000;
  const Ints y_finite = (y_bits & 0x7FFFFFFF) < 0x7F800000;
  const Ints both = x_finite & y_finite;
  const Floats clean_x = reinterpret_cast<Floats>(x_bits & both);
  const Ints error_bits = reinterpret_cast<Ints>(x - y) & both;
  const Ints magnitude = error_bits & 0x7FFFFFFF;
  const Doubles wide_x = __builtin_convertvector(clean_x, Doubles);
  const Doubles wide_error = __builtin_convertvector(reinterpret_cast<Floats>(error_bits), Doubles);
  lanes.signal += wide_x * wide_x;
  lanes.noise += wide_error * wide_error;
  const Ints larger = magnitude > lanes.max_error;
  lanes.max_error = (magnitude & larger) | (lanes.max_error & ~larger);
  lanes.clipped += both & ((x < low) | (x > high));
  lanes.zeros += both & (x != 0) & (y == 0);
  lanes.non_finite += ~x_finite;
  lanes.bad_values += x_finite & ~y_finite;
}

inline void accumulate_row(std::array<Lanes, kParts>& lanes, const DistortionArgs& args,
                           std::int64_t row) {
  const DType dtype = args.x.dtype;
  const int element_bytes = bits(dtype) / 8;
  const auto* x = static_cast<const std::byte*>(args.x.data) + row * args.x.stride * element_bytes;
  const float* y = args.y + row * args.x.cols;
  const std::int64_t blocks = (args.x.cols + args.block_cols - 1) / args.block_cols;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const float low = args.low[row * blocks + block];
    const float high = args.high[row * blocks + block];
    const std::int64_t end = std::min(args.x.cols, (block + 1) * args.block_cols);
    for (std::int64_t col = block * args.block_cols; col < end; col += kLanes) {
      const std::int64_t count = std::min<std::int64_t>(kLanes, end - col);
      alignas(64) std::array<float, kLanes> x_step;
      alignas(64) std::array<float, kLanes> y_step;
      if (count == kLanes) {
        load_x(x_step.data(), x + col * element_bytes, dtype, kLanes);
        std::memcpy(y_step.data(), y + col, sizeof(y_step));
      } else {
        x_step.fill(0);
        y_step.fill(0);
        load_x(x_step.data(), x + col * element_bytes, dtype, count);
        std::memcpy(y_step.data(), y + col, static_cast<std::size_t>(count) * 4);
      }
      for (int part = 0; part < kParts; ++part) {
        accumulate(lanes[static_cast<std::size_t>(part)], x_step.data() + part * kWidth,
                   y_step.data() + part * kWidth, low, high);
      }
    }
  }
}

}  // namespace

void distortion_reference(const DistortionArgs& args) {
  DistortionSums& sums = *args.sums;
  std::array<Lanes, kParts> all{};
  for (std::int64_t row = 0; row < args.x.rows; ++row) accumulate_row(all, args, row);
  for (const Lanes& lanes : all) {
    for (int lane = 0; lane < kWidth; ++lane) {
      sums.signal += lanes.signal[lane];
      sums.noise += lanes.noise[lane];
      const std::int32_t bits = lanes.max_error[lane];
      float max_error;
      std::memcpy(&max_error, &bits, sizeof(max_error));
      sums.max_error = std::max(sums.max_error, max_error);
      sums.clipped -= lanes.clipped[lane];
      sums.zeros -= lanes.zeros[lane];
      sums.non_finite -= lanes.non_finite[lane];
      sums.bad_values -= lanes.bad_values[lane];
    }
  }
}

}  // namespace lowp::kernels
