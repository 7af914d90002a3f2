// lowp::linear_mxfp8 on CUDA.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <vector>

#include "kernels/quantize_mx/cuda.h"
#include "ops/cuda/linear_dynamic.h"
#include "ops/cuda/scaled_mm.h"
#include "ops/mx.h"

namespace lowp::ops {
namespace {

constexpr char kName[] = "lowp::linear_mxfp8";
constexpr std::int64_t kBlock = 32;

struct Operands {
  Tensor x;  // (M, K) of those given: copied where its rows do not lie evenly apart
  kernels::Matrix rows;
  std::int64_t n;
  const void* weight;
  const void* weight_scale;
  const void* bias;
  DType bias_dtype;
  MxScaleMode mode;
};

kernels::Matrix rows_of(const Tensor& x, std::int64_t k) {
  const bool strided = x.dim() == 2 && !x.is_contiguous();
  return {.data = x.const_data_ptr(),
          .dtype = to_dtype(x.scalar_type()),
          .rows = x.numel() / k,
          .cols = k,
          .stride = strided ? x.stride(0) : k};
}

Operands check(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
               const std::optional<Tensor>& bias, std::string_view scaling_mode) {
  check_cuda({kName, "x", x});
  check_dtype({kName, "x", x}, {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
  check_same_device({kName, "weight", weight}, x);
  if (weight.dim() != 2 || weight.size(1) == 0 || weight.size(1) % kBlock != 0) {
    fail(kName, "weight is not a matrix of whole blocks", to_string(weight.sizes()),
         "(N, K), K a multiple of 32");
  }
  const std::int64_t n = weight.size(0);
  const std::int64_t k = weight.size(1);
  check_cuda_dense({kName, "weight", weight}, ScalarType::Float8_e4m3fn, {n, k});
  check_same_device({kName, "weight_scale", weight_scale}, x);
  check_cuda_dense({kName, "weight_scale", weight_scale}, ScalarType::Float8_e8m0fnu,
                   {n, k / kBlock});
  if (x.dim() == 0 || x.sizes().back() != k) {
    fail(kName, "x does not fit the weight", to_string(x.sizes()),
         concat({"a last dimension of ", std::to_string(k)}));
  }
  if (bias) {
    check_same_device({kName, "bias", *bias}, x);
    check_cuda_dense({kName, "bias", *bias}, bias->scalar_type(), {n});
    check_dtype({kName, "bias", *bias},
                {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
  }
  const bool even = x.is_contiguous() || (x.dim() == 2 && x.stride(1) == 1);
  const Tensor owner = even ? x : torch::stable::contiguous(x);
  return {
      .x = owner,
      .rows = rows_of(owner, k),
      .n = n,
      .weight = weight.const_data_ptr(),
      .weight_scale = weight_scale.const_data_ptr(),
      .bias = bias ? bias->const_data_ptr() : nullptr,
      .bias_dtype = bias ? to_dtype(bias->scalar_type()) : DType::kF32,
      .mode = check_scaling_mode(kName, scaling_mode),
  };
}

std::vector<std::int64_t> output_shape(const Tensor& x, std::int64_t n) {
  std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = n;
  return shape;
}

void check_out(const Tensor& x, std::int64_t n, const Tensor& out) {
  check_same_device({kName, "out", out}, x);
  check_dtype({kName, "out", out}, {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
  const std::vector<std::int64_t> expected = output_shape(x, n);
  if (out.is_contiguous() &&
      std::equal(expected.begin(), expected.end(), out.sizes().begin(), out.sizes().end())) {
    return;
  }
  fail(kName, "out does not fit x and the weight",
       concat({to_string(out.sizes()), " with strides ", to_string(out.strides())}),
       concat({"a contiguous tensor of ", to_string(Shape(expected.data(), expected.size()))}));
}

kernels::ScaledOperand operand(const void* codes, const void* scale, std::int64_t k) {
  return {
      .codes = codes,
      .dtype = DType::kF8E4M3,
      .row_stride = k,
      .batch_stride = 0,
      .recipe = kernels::ScaleRecipe::k1x32,
      .scale = scale,
      .scale_row_stride = k / kBlock,
      .scale_block_stride = 1,
      .scale_batch_stride = 0,
      .swizzled = false,
      .tensor_scale = nullptr,
  };
}

// The product without x's codes, which have no place yet.
kernels::ScaledMmArgs product(const Operands& operands, void* out, DType out_dtype) {
  return {
      .a = operand(nullptr, nullptr, operands.rows.cols),
      .b = operand(operands.weight, operands.weight_scale, operands.rows.cols),
      .batch = 1,
      .m = operands.rows.rows,
      .n = operands.n,
      .k = operands.rows.cols,
      .bias = operands.bias,
      .bias_dtype = operands.bias_dtype,
      .out = out,
      .out_dtype = out_dtype,
      .fast_accumulation = false,
      .after_quantize = false,
      .stream = nullptr,
      .workspace = nullptr,
      .parallel = nullptr,
  };
}

void linear_mxfp8_out(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, std::string_view scaling_mode,
                      const Tensor& out) {
  const Operands operands = check(x, weight, weight_scale, bias, scaling_mode);
  check_out(x, operands.n, out);
  if (out.numel() == 0) return;

  const Launch launch(x);
  auto args = product(operands, out.mutable_data_ptr(), to_dtype(out.scalar_type()));
  const kernels::ScaledMmSm90& chosen = choose_scaled_mm(kName, args);
  const std::int64_t values = operands.rows.rows * operands.rows.cols;
  Parts parts;
  const std::int64_t codes = parts.add(values);
  const std::int64_t scale = parts.add(values / kBlock);
  const std::int64_t scratch = parts.add(chosen.workspace(args));
  const LaunchMemory workspace(launch, parts.size());
  auto* const memory = reinterpret_cast<std::uint8_t*>(workspace.data());
  check_launch(kName, kernels::quantize_mx_cuda({
                          .x = operands.rows,
                          .block_size = kBlock,
                          .element = DType::kF8E4M3,
                          .mode = operands.mode,
                          .swizzled = false,
                          .along_rows = {.codes = memory + codes, .scale = memory + scale},
                          .along_cols = {},
                          .stream = launch.stream,
                      }));
  args.a.codes = memory + codes;
  args.a.scale = memory + scale;
  args.workspace = memory + scratch;
  args.stream = launch.stream;
  check_launch(kName, chosen.run(args));
}

Tensor linear_mxfp8(const Tensor& x, const Tensor& weight, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias, std::string_view scaling_mode) {
  const Operands operands = check(x, weight, weight_scale, bias, scaling_mode);
  const std::vector<std::int64_t> shape = output_shape(x, operands.n);
  const Tensor out = empty_cuda(x, Shape(shape.data(), shape.size()), x.scalar_type());
  linear_mxfp8_out(operands.x, weight, weight_scale, bias, scaling_mode, out);
  return out;
}

std::string linear_mxfp8_implementation(const Tensor& x, const Tensor& weight,
                                        const Tensor& weight_scale,
                                        const std::optional<Tensor>& bias,
                                        std::string_view scaling_mode) {
  const Operands operands = check(x, weight, weight_scale, bias, scaling_mode);
  return choose_scaled_mm(kName, product(operands, nullptr, to_dtype(x.scalar_type()))).name;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) {
  library.impl("linear_mxfp8", TORCH_BOX(&linear_mxfp8));
  library.impl("linear_mxfp8.out", TORCH_BOX(&linear_mxfp8_out));
  library.impl("linear_mxfp8.implementation", TORCH_BOX(&linear_mxfp8_implementation));
}

}  // namespace lowp::ops
