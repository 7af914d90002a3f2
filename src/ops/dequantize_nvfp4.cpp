#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"

#include <torch/csrc/stable/library.h>

#include "ops/dequantize.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::dequantize_nvfp4";
constexpr std::int64_t kBlock = 16;

void dequantize_nvfp4_out(const Tensor& codes, const Tensor& block_scale,
                          const Tensor& tensor_scale, const Tensor& out) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  if (cols % kBlock != 0) {
    fail(kName, "codes has the wrong number of columns", to_string(codes.sizes()),
         "a multiple of 8 bytes");
  }
  check_dense({kName, "block_scale", block_scale}, ScalarType::Float8_e4m3fn,
              {rows, cols / kBlock});
  check_dense({kName, "tensor_scale", tensor_scale}, ScalarType::Float, {1});
  kernels::dequantize_nvfp4({
      .codes = data<std::uint8_t>(codes),
      .block_scale = data<std::uint8_t>(block_scale),
      .tensor_scale = data<float>(tensor_scale),
      .out = check_output_matrix({kName, "out", out}, rows, cols),
      .parallel = torch_pool(),
  });
}

Tensor dequantize_nvfp4(const Tensor& codes, const Tensor& block_scale, const Tensor& tensor_scale,
                        std::optional<ScalarType> dtype) {
  const auto [rows, cols] = check_codes({kName, "codes", codes}, ScalarType::Byte, 2);
  const Tensor out = empty({rows, cols}, check_value_dtype(kName, dtype));
  dequantize_nvfp4_out(codes, block_scale, tensor_scale, out);
  return out;
}

}  // namespace

// What quantize_nvfp4 gave, back: code * block_scale * tensor_scale, rounded to dtype (float32).
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def(
      "dequantize_nvfp4(Tensor codes, Tensor block_scale, Tensor tensor_scale, "
      "ScalarType? dtype=None) -> Tensor");
  library.def(
      "dequantize_nvfp4.out(Tensor codes, Tensor block_scale, Tensor tensor_scale, *, "
      "Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("dequantize_nvfp4", TORCH_BOX(&dequantize_nvfp4));
  library.impl("dequantize_nvfp4.out", TORCH_BOX(&dequantize_nvfp4_out));
}

}  // namespace lowp::ops
