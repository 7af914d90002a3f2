#pragma once

#include "kernels/runtime/matrix.h"

namespace lowp::kernels {

// One element of a matrix as fp32, and an fp32 value rounded once into one: for reference code.
// store_element takes kI8 too, and then a value that is a code.
float load_element(const Matrix& x, std::int64_t row, std::int64_t col);
void store_element(const MutableMatrix& out, std::int64_t row, std::int64_t col, float value);

}  // namespace lowp::kernels
