// The second part of the C library: weight formats with searches or training behind them, groups.
#include <cstdint>

#include "formats/dtype.h"
#include "formats/hadamard.h"
#include "formats/integer_training.h"
#include "formats/nf4.h"
#include "formats/swizzle_groups.h"
#include "formats/uintx.h"

namespace {

using namespace lowp;

// f(arithmetic) for kF32, kBF16, kF16.
template <class Function>
void with_arithmetic(int dtype, Function&& f) {
  switch (static_cast<DType>(dtype)) {
    case DType::kBF16:
      return f(Bf16{});
    case DType::kF16:
      return f(Fp16{});
    default:
      return f(Fp32{});
  }
}

}  // namespace

#define LOWP_C extern "C" __attribute__((visibility("default")))

// x (blocks, 64), amax (blocks) -> codes (blocks, 64), one a byte.
LOWP_C void lowp_nf4(int arithmetic, const float* x, const float* amax, std::int64_t blocks,
                     std::uint8_t* codes, float* value) {
  with_arithmetic(arithmetic, [&](auto type) {
    using A = decltype(type);
    for (std::int64_t i = 0; i < blocks * Nf4::kBlock; ++i) {
      const float scale = amax[i / Nf4::kBlock];
      codes[i] = Nf4::quantize<A>(x[i], scale);
      value[i] = Nf4::dequantize<A>(codes[i], scale);
    }
  });
}

// Scales minus their mean (blocks, 256), largest deviation (blocks).
LOWP_C void lowp_nf4_scales(int arithmetic, const float* deviation, const float* largest,
                            std::int64_t blocks, float mean, std::int8_t* codes, float* factor,
                            float* value) {
  with_arithmetic(arithmetic, [&](auto type) {
    using A = decltype(type);
    for (std::int64_t i = 0; i < blocks * Nf4::kScaleBlock; ++i) {
      const std::int64_t b = i / Nf4::kScaleBlock;
      factor[b] = nf4_scale_factor<A>(largest[b]);
      codes[i] = static_cast<std::int8_t>(nf4_quantize_scale<A>(deviation[i], factor[b]));
      value[i] = nf4_dequantize_scale<A>(codes[i], factor[b], mean);
    }
  });
}

LOWP_C void lowp_uintx(int bits, const float* x, const float* min, const float* max,
                       std::int64_t blocks, std::int64_t size, std::int32_t* codes, float* scale,
                       float* zero) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    const UintxParams params = choose_uintx_params(min[b], max[b], bits);
    scale[b] = params.scale;
    zero[b] = params.zero;
    for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
      codes[i] = uintx_quantize(x[i], params, bits);
    }
  }
}

LOWP_C void lowp_int8_training(int arithmetic, const float* x, const float* amax,
                               std::int64_t blocks, std::int64_t size, std::int32_t* codes,
                               float* scale) {
  with_arithmetic(arithmetic, [&](auto type) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      scale[b] = int8_training_scale<decltype(type)>(amax[b]);
      const float reciprocal = int8_training_reciprocal(scale[b]);
      for (std::int64_t i = b * size; i < (b + 1) * size; ++i) {
        codes[i] = int8_training_quantize(x[i], reciprocal);
      }
    }
  });
}

LOWP_C void lowp_bitnet(const float* w, std::int64_t count, float scale, std::int32_t* codes) {
  for (std::int64_t i = 0; i < count; ++i) codes[i] = bitnet_quantize(w[i], scale);
}

// out has grouped_rows_bound(rows, groups) * round_up(cols, 4) zeros.
LOWP_C void lowp_swizzle_row_groups(const std::uint8_t* scale, const std::int32_t* ends,
                                    std::int64_t groups, std::int64_t cols, std::uint8_t* out) {
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = group_begin(ends, g);
    const std::int64_t first = padded_group_begin(ends, g, kSwizzleTileRows);
    for (std::int64_t r = begin; r < ends[g]; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        out[swizzle_offset_in_row_group(first, r - begin, c, cols)] = scale[r * cols + c];
      }
    }
  }
}

// scale (rows, ends[groups - 1]); out has round_up(rows, 128) * grouped_cols_bound(cols, groups).
LOWP_C void lowp_swizzle_col_groups(const std::uint8_t* scale, const std::int32_t* ends,
                                    std::int64_t groups, std::int64_t rows, std::uint8_t* out) {
  const std::int64_t cols = ends[groups - 1];
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = group_begin(ends, g);
    const std::int64_t first = padded_group_begin(ends, g, kSwizzleTileCols);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = begin; c < ends[g]; ++c) {
        out[swizzle_offset_in_col_group(first, r, c - begin, ends[g] - begin, rows)] =
            scale[r * cols + c];
      }
    }
  }
}

// x (chunks, 16) in place; bit i of `signs` negates element i.
LOWP_C void lowp_random_hadamard(float* x, std::int64_t chunks, int signs) {
  for (std::int64_t i = 0; i < chunks; ++i) {
    random_hadamard(x + i * kRhtSize, static_cast<std::uint16_t>(signs));
  }
}
