// The Level avx512_vnni of intx_rows_inl.h.
#pragma once

#include "kernels/linear_common/avx512_vnni_inl.h"
#include "kernels/linear_common/intx_avx512_inl.h"

namespace lowp::kernels {
namespace {

struct IntxAvx512Vnni : IntxAvx512Bytes {
  static Int32s multiply_add(Int32s sum, Ints codes, Ints x) { return dot(sum, codes, x); }
};

}  // namespace
}  // namespace lowp::kernels
