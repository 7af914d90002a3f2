#pragma once

#include "kernels/linear_w8a8/linear_w8a8.h"

namespace lowp::kernels {

void linear_w8a8_reference(const LinearW8A8Args& args);

}  // namespace lowp::kernels
