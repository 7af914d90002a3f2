// lowp::dequantize_int4 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/dequantize_int4/cuda.h"
#include "ops/cuda/dequantize.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_int4";

void dequantize_int4_out(const Tensor& codes, const Tensor& scale,
                         const std::optional<Tensor>& zero_point, const std::optional<Tensor>& zero,
                         const Tensor& out) {
  const auto [rows, cols] = check_cuda_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  const std::int64_t group_size = check_groups({kName, "scale", scale}, {rows, cols});
  const std::int64_t groups = cols / group_size;
  if (group_size % 2 != 0 && cols != 0) {
    fail(kName, "scale implies an odd group", std::to_string(group_size),
         "an even number of columns a group");
  }
  check_cuda_output({kName, "scale", scale}, codes, ScalarType::Float, {rows, groups});
  if (zero_point && zero) {
    fail(kName, "zero_point and zero exclude each other", "both", "one or none");
  }
  if (zero_point) {
    check_cuda_output({kName, "zero_point", *zero_point}, codes, ScalarType::Char, {rows, groups});
  }
  if (zero) check_cuda_output({kName, "zero", *zero}, codes, ScalarType::Float, {rows, groups});
  const Launch launch(codes);
  check_launch(kName,
               kernels::dequantize_int4_cuda(
                   {
                       .codes = data<std::uint8_t>(codes),
                       .group_size = group_size,
                       .scale = data<float>(scale),
                       .zero_point = zero_point ? data<std::int8_t>(*zero_point) : nullptr,
                       .zero = zero ? data<float>(*zero) : nullptr,
                       .out = check_cuda_output_matrix({kName, "out", out}, codes, rows, cols),
                       .parallel = nullptr,
                   },
                   launch.stream));
}

Tensor dequantize_int4(const Tensor& codes, const Tensor& scale,
                       const std::optional<Tensor>& zero_point, const std::optional<Tensor>& zero,
                       std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_cuda_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  const Tensor out = empty_cuda(codes, {rows, cols}, check_value_dtype(kName, dtype));
  dequantize_int4_out(codes, scale, zero_point, zero, out);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("dequantize_int4", TORCH_BOX(&dequantize_int4));
  library.impl("dequantize_int4.out", TORCH_BOX(&dequantize_int4_out));
}

}  // namespace lowp::ops
