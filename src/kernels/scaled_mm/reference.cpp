#include <algorithm>

#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/e5m2.h"
#include "formats/e8m0.h"
#include "formats/swizzle.h"
#include "kernels/runtime/element.h"
#include "kernels/scaled_mm/implementations.h"

namespace lowp::kernels {
namespace {

std::int64_t block_of(ScaleRecipe recipe, std::int64_t k) {
  switch (recipe) {
    case ScaleRecipe::k1x128:
    case ScaleRecipe::k128x128:
      return 128;
    case ScaleRecipe::k1x32:
      return 32;
    case ScaleRecipe::k1x16:
      return 16;
    default:
      return std::max<std::int64_t>(k, 1);
  }
}

// One matrix of an operand.
struct Operand {
  const ScaledOperand& of;
  std::int64_t batch;
  std::int64_t k;

  float value(std::int64_t row, std::int64_t i) const {
    const auto* codes =
        static_cast<const std::uint8_t*>(of.codes) + batch * of.batch_stride + row * of.row_stride;
    if (of.dtype == DType::kF8E4M3) return E4m3::to_float(codes[i]);
    if (of.dtype == DType::kF8E5M2) return E5m2::to_float(codes[i]);
    return E2m1::to_float(static_cast<std::uint8_t>(codes[i / 2] >> (i % 2 * 4)));
  }

  // Of the block that begins at column i.
  float scale(std::int64_t row, std::int64_t i) const {
    const std::int64_t block = i / block_of(of.recipe, k);
    if (of.recipe == ScaleRecipe::kTensor) row = 0;
    if (of.recipe == ScaleRecipe::k128x128) row /= 128;
    const std::int64_t blocks = k / block_of(of.recipe, k);
    const std::int64_t inside = of.swizzled
                                    ? swizzle_offset(row, block, blocks)
                                    : row * of.scale_row_stride + block * of.scale_block_stride;
    const std::int64_t at = batch * of.scale_batch_stride + inside;
    if (of.recipe == ScaleRecipe::k1x32) {
      return E8m0::to_float(static_cast<const std::uint8_t*>(of.scale)[at]);
    }
    if (of.recipe == ScaleRecipe::k1x16) {
      return E4m3::to_float(static_cast<const std::uint8_t*>(of.scale)[at]);
    }
    return static_cast<const float*>(of.scale)[at];
  }

  float tensor_scale() const { return of.tensor_scale == nullptr ? 1.0F : *of.tensor_scale; }
};

float dot(const Operand& a, const Operand& b, std::int64_t m, std::int64_t n, std::int64_t block) {
  float sum = 0.0F;
  for (std::int64_t begin = 0; begin < a.k; begin += block) {
    const std::int64_t end = std::min(begin + block, a.k);
    float partial = 0.0F;
    for (std::int64_t i = begin; i < end; ++i) partial += a.value(m, i) * b.value(n, i);
    sum += partial * (a.scale(m, begin) * b.scale(n, begin));
  }
  return sum * (a.tensor_scale() * b.tensor_scale());
}

}  // namespace

std::int64_t scaled_mm_block(const ScaledMmArgs& args) {
  return std::min(block_of(args.a.recipe, args.k), block_of(args.b.recipe, args.k));
}

void scaled_mm_reference(const ScaledMmArgs& args) {
  const std::int64_t block = scaled_mm_block(args);
  const auto* bias = static_cast<const float*>(args.bias);
  const MutableMatrix out{args.out, args.out_dtype, args.batch * args.m, args.n, args.n};
  parallel_for(args.parallel, args.n, 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t batch = 0; batch < args.batch; ++batch) {
      const Operand a{args.a, batch, args.k};
      const Operand b{args.b, batch, args.k};
      for (std::int64_t m = 0; m < args.m; ++m) {
        for (std::int64_t n = first; n < last; ++n) {
          const float sum = dot(a, b, m, n, block);
          store_element(out, batch * args.m + m, n, bias == nullptr ? sum : sum + bias[n]);
        }
      }
    }
  });
}

}  // namespace lowp::kernels
