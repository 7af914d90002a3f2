// lowp::quantize_fp8 on CUDA: rows of bfloat16 to e4m3.
#include <torch/csrc/stable/library.h>

#include <array>

#include "kernels/quantize_fp8/sm90.h"
#include "ops/cuda/checks.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_fp8";

// What the CPU does and the GPU does not, one message each.
void check_supported(const Tensor& x, Shape block, std::string_view element,
                     std::optional<ScalarType> scale_dtype,
                     const std::optional<Tensor>& static_scale) {
  check_cuda_matrix({kName, "x", x}, {ScalarType::BFloat16});
  if (x.size(0) > INT32_MAX) {
    fail(kName, "x has too many rows", std::to_string(x.size(0)), "fewer than 2^31");
  }
  if (block.size() != 2 || block[0] != 1 || (block[1] != -1 && block[1] != x.size(1))) {
    fail(kName, "block is not one that the GPU takes", to_string(block), "(1, -1): per row");
  }
  if (element != "e4m3") fail(kName, "element is not one that the GPU takes", element, "e4m3");
  if (scale_dtype.value_or(ScalarType::Float) != ScalarType::Float) {
    fail(kName, "scale_dtype is not one that the GPU takes", name(*scale_dtype), "float32");
  }
  if (static_scale) fail(kName, "static_scale is not taken on the GPU", "a tensor", "none");
}

void quantize_fp8_out(const Tensor& x, Shape block, std::string_view element,
                      std::optional<ScalarType> scale_dtype,
                      const std::optional<Tensor>& static_scale, const Tensor& codes,
                      const Tensor& scale) {
  check_supported(x, block, element, scale_dtype, static_scale);
  const std::int64_t rows = x.size(0);
  const std::int64_t cols = x.size(1);
  check_cuda_dense({kName, "codes", codes}, ScalarType::Float8_e4m3fn, {rows, cols});
  check_cuda_dense({kName, "scale", scale}, ScalarType::Float, {rows, cols == 0 ? 0 : 1});

  const Launch launch(x);
  check_launch(kName, kernels::quantize_fp8_rows_sm90({
                          .x = data<std::uint16_t>(x),
                          .rows = rows,
                          .cols = cols,
                          .stride = rows > 1 ? x.stride(0) : cols,
                          .codes = mutable_data<std::uint8_t>(codes),
                          .scale = mutable_data<float>(scale),
                          .stream = launch.stream,
                      }));
}

std::tuple<Tensor, Tensor> quantize_fp8(const Tensor& x, Shape block, std::string_view element,
                                        std::optional<ScalarType> scale_dtype,
                                        const std::optional<Tensor>& static_scale) {
  check_supported(x, block, element, scale_dtype, static_scale);
  const std::array<std::int64_t, 2> shape{x.size(0), x.size(1)};
  const std::array<std::int64_t, 2> scale_shape{shape[0], shape[1] == 0 ? 0 : 1};
  const Tensor codes =
      torch::stable::new_empty(x, Shape(shape.data(), 2), ScalarType::Float8_e4m3fn);
  const Tensor scale = torch::stable::new_empty(x, Shape(scale_shape.data(), 2), ScalarType::Float);
  quantize_fp8_out(x, block, element, scale_dtype, static_scale, codes, scale);
  return {codes, scale};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_fp8", TORCH_BOX(&quantize_fp8));
  library.impl("quantize_fp8.out", TORCH_BOX(&quantize_fp8_out));
}

}  // namespace lowp::ops
