// lowp::quantize_nvfp4 on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_nvfp4/cuda.h"
#include "ops/cuda/checks.h"
#include "ops/nvfp4.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_nvfp4";

kernels::Matrix check_input(const Tensor& x) {
  return check_cuda_matrix({kName, "x", x},
                           {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
}

void check_output(const Argument& argument, const Tensor& x, ScalarType dtype,
                  std::initializer_list<std::int64_t> shape) {
  check_cuda_dense(argument, dtype, shape);
  check_same_device(argument, x);
}

void quantize_nvfp4_out(const Tensor& x, std::string_view recipe, std::optional<double> scale_floor,
                        const std::optional<Tensor>& static_tensor_scale, bool swizzled,
                        const Tensor& codes, const Tensor& block_scale,
                        const Tensor& tensor_scale) {
  const kernels::Matrix matrix = check_input(x);
  const MatrixShape shape = check_block_scale_shape(kName, matrix.rows, matrix.cols, swizzled);
  const Nvfp4Recipe kind = check_recipe(kName, recipe);
  check_output({kName, "codes", codes}, x, ScalarType::Byte, {matrix.rows, matrix.cols / 2});
  check_output({kName, "block_scale", block_scale}, x, ScalarType::Float8_e4m3fn,
               {shape.rows, shape.cols});
  check_output({kName, "tensor_scale", tensor_scale}, x, ScalarType::Float, {1});
  if (static_tensor_scale) {
    check_output({kName, "static_tensor_scale", *static_tensor_scale}, x, ScalarType::Float, {1});
  }
  const Launch launch(x);
  const Tensor workspace = empty_cuda(x, {kernels::kNvfp4WorkspaceWords}, ScalarType::Int);
  check_launch(kName, kernels::quantize_nvfp4_cuda({
                          .x = matrix,
                          .recipe = kind,
                          .block_scale_floor = block_scale_floor(kind, scale_floor),
                          .static_tensor_scale =
                              static_tensor_scale ? data<float>(*static_tensor_scale) : nullptr,
                          .swizzled = swizzled,
                          .codes = mutable_data<std::uint8_t>(codes),
                          .block_scale = mutable_data<std::uint8_t>(block_scale),
                          .tensor_scale = mutable_data<float>(tensor_scale),
                          .workspace = mutable_data<std::uint32_t>(workspace),
                          .stream = launch.stream,
                      }));
}

std::tuple<Tensor, Tensor, Tensor> quantize_nvfp4(const Tensor& x, std::string_view recipe,
                                                  std::optional<double> scale_floor,
                                                  const std::optional<Tensor>& static_tensor_scale,
                                                  bool swizzled) {
  const kernels::Matrix matrix = check_input(x);
  const MatrixShape shape = check_block_scale_shape(kName, matrix.rows, matrix.cols, swizzled);
  const Tensor codes = empty_cuda(x, {matrix.rows, matrix.cols / 2}, ScalarType::Byte);
  const Tensor block_scale = empty_cuda(x, {shape.rows, shape.cols}, ScalarType::Float8_e4m3fn);
  const Tensor tensor_scale = empty_cuda(x, {1}, ScalarType::Float);
  quantize_nvfp4_out(x, recipe, scale_floor, static_tensor_scale, swizzled, codes, block_scale,
                     tensor_scale);
  return {codes, block_scale, tensor_scale};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_nvfp4", TORCH_BOX(&quantize_nvfp4));
  library.impl("quantize_nvfp4.out", TORCH_BOX(&quantize_nvfp4_out));
}

}  // namespace lowp::ops
