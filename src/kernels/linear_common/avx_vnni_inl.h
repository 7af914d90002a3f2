// What level avx_vnni adds to avx2's: vpdpbusd, four products of bytes a lane.
#pragma once

#include "kernels/linear_common/avx2_vector_inl.h"

namespace lowp::kernels {
namespace {

inline Int32s dot(Int32s sum, Ints unsigned_bytes, Ints signed_bytes) {
  return reinterpret_cast<Int32s>(
      _mm256_dpbusd_avx_epi32(reinterpret_cast<Ints>(sum), unsigned_bytes, signed_bytes));
}

}  // namespace
}  // namespace lowp::kernels
