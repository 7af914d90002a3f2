// Matrix products by cuBLASLt: by the library that torch has loaded, nothing links it.
#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace lowp::kernels::sm90 {

// What shares a scale of an operand.
enum class LtScale : std::uint8_t { kNone, kTensor, kRow, k1x128, k128x128 };

// One side, (rows, K), k innermost and dense.
struct LtOperand {
  const void* data;
  DType dtype;
  std::int64_t row_stride;  // elements
  LtScale recipe;
  const void* scale;  // fp32 in cuBLASLt's order, or nullptr
};

// out (M, N) = a b^T scaled, + bias (N).
struct LtProduct {
  LtOperand a;
  LtOperand b;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  const float* alpha;  // (2) on the device: a factor of the product and 0; or nullptr for 1
  const void* bias;    // or nullptr
  DType bias_dtype;
  void* out;
  DType out_dtype;
  bool fast_accumulation;
};

// Bytes of workspace that it needs, or -1: there is no cuBLASLt, or it has no kernel for the
// product. Asks it once a shape, some 20 us; the answer is kept.
std::int64_t lt_workspace(const LtProduct& product);

// Returns nullptr, or what is wrong.
const char* lt_multiply(const LtProduct& product, void* workspace, void* stream);

}  // namespace lowp::kernels::sm90
