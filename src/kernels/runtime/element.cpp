#include "kernels/runtime/element.h"

#include "formats/bf16.h"
#include "formats/fp16.h"

namespace lowp::kernels {

float load_element(const Matrix& x, std::int64_t row, std::int64_t col) {
  const std::int64_t i = row * x.stride + col;
  if (x.dtype == DType::kF32) return static_cast<const float*>(x.data)[i];
  const std::uint16_t code = static_cast<const std::uint16_t*>(x.data)[i];
  return x.dtype == DType::kBF16 ? Bf16::to_float(code) : Fp16::to_float(code);
}

void store_element(const MutableMatrix& out, std::int64_t row, std::int64_t col, float value) {
  const std::int64_t i = row * out.stride + col;
  if (out.dtype == DType::kF32) {
    static_cast<float*>(out.data)[i] = value;
  } else if (out.dtype == DType::kI8) {
    static_cast<std::int8_t*>(out.data)[i] = static_cast<std::int8_t>(value);
  } else {
    static_cast<std::uint16_t*>(out.data)[i] =
        out.dtype == DType::kBF16 ? Bf16::from_float(value) : Fp16::from_float(value);
  }
}

}  // namespace lowp::kernels
