// lowp::quantize_mx and lowp::quantize_mx_both on CUDA.
#include <torch/csrc/stable/library.h>

#include "kernels/quantize_mx/cuda.h"
#include "ops/cuda/checks.h"
#include "ops/mx.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::quantize_mx";
constexpr char kBothName[] = "lowp::quantize_mx_both";
constexpr std::int64_t kBlock = 32;

kernels::Matrix check_input(const char* operation, const Tensor& x) {
  return check_cuda_matrix({operation, "x", x},
                           {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
}

struct Outputs {
  Tensor codes;
  Tensor scale;
};

Outputs empty_outputs(const MxRequest& request, const Tensor& x, std::int64_t dim) {
  const kernels::Matrix matrix = check_input(request.operation, x);
  const auto [codes, scale] = request.shapes(matrix.rows, matrix.cols, dim);
  return {empty_cuda(x, {codes.rows, codes.cols}, codes_dtype(request.element)),
          empty_cuda(x, {scale.rows, scale.cols}, ScalarType::Float8_e8m0fnu)};
}

kernels::MxBlocks check_output(const MxRequest& request, const Tensor& x, std::int64_t dim,
                               const Argument& codes, const Argument& scale) {
  const MxShapes shapes = request.shapes(x.size(0), x.size(1), dim);
  check_cuda_dense(codes, codes_dtype(request.element), {shapes.codes.rows, shapes.codes.cols});
  check_cuda_dense(scale, ScalarType::Float8_e8m0fnu, {shapes.scale.rows, shapes.scale.cols});
  check_same_device(codes, x);
  check_same_device(scale, x);
  return {mutable_data<std::uint8_t>(codes.tensor), mutable_data<std::uint8_t>(scale.tensor)};
}

void run(const MxRequest& request, const Tensor& x, kernels::MxBlocks along_rows,
         kernels::MxBlocks along_cols) {
  const Launch launch(x);
  check_launch(request.operation, kernels::quantize_mx_cuda({
                                      .x = check_input(request.operation, x),
                                      .block_size = request.block_size,
                                      .element = request.element,
                                      .mode = request.mode,
                                      .swizzled = request.swizzled,
                                      .along_rows = along_rows,
                                      .along_cols = along_cols,
                                      .stream = launch.stream,
                                  }));
}

void quantize_mx_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                     std::int64_t block_size, std::int64_t dim, bool swizzled, const Tensor& codes,
                     const Tensor& scale) {
  const MxRequest request(kName, element, scaling_mode, block_size, swizzled);
  check_input(kName, x);
  dim = check_dim(kName, dim);
  const kernels::MxBlocks blocks =
      check_output(request, x, dim, {kName, "codes", codes}, {kName, "scale", scale});
  run(request, x, dim == 1 ? blocks : kernels::MxBlocks{}, dim == 0 ? blocks : kernels::MxBlocks{});
}

std::tuple<Tensor, Tensor> quantize_mx(const Tensor& x, std::string_view element,
                                       std::string_view scaling_mode, std::int64_t block_size,
                                       std::int64_t dim, bool swizzled) {
  const auto [codes, scale] =
      empty_outputs({kName, element, scaling_mode, block_size, swizzled}, x, check_dim(kName, dim));
  quantize_mx_out(x, element, scaling_mode, block_size, dim, swizzled, codes, scale);
  return {codes, scale};
}

void quantize_mx_both_out(const Tensor& x, std::string_view element, std::string_view scaling_mode,
                          bool swizzled, const Tensor& codes, const Tensor& scale,
                          const Tensor& codes_t, const Tensor& scale_t) {
  const MxRequest request(kBothName, element, scaling_mode, kBlock, swizzled);
  check_input(kBothName, x);
  run(request, x,
      check_output(request, x, 1, {kBothName, "codes", codes}, {kBothName, "scale", scale}),
      check_output(request, x, 0, {kBothName, "codes_t", codes_t},
                   {kBothName, "scale_t", scale_t}));
}

std::tuple<Tensor, Tensor, Tensor, Tensor> quantize_mx_both(const Tensor& x,
                                                            std::string_view element,
                                                            std::string_view scaling_mode,
                                                            bool swizzled) {
  const MxRequest request(kBothName, element, scaling_mode, kBlock, swizzled);
  const auto [codes, scale] = empty_outputs(request, x, 1);
  const auto [codes_t, scale_t] = empty_outputs(request, x, 0);
  quantize_mx_both_out(x, element, scaling_mode, swizzled, codes, scale, codes_t, scale_t);
  return {codes, scale, codes_t, scale_t};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("quantize_mx", TORCH_BOX(&quantize_mx));
  library.impl("quantize_mx.out", TORCH_BOX(&quantize_mx_out));
  library.impl("quantize_mx_both", TORCH_BOX(&quantize_mx_both));
  library.impl("quantize_mx_both.out", TORCH_BOX(&quantize_mx_both_out));
}

}  // namespace lowp::ops
