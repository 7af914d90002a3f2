// The arguments of lowp::scaled_mm and their checks, the same on the CPU and on the GPU.
#pragma once

#include <algorithm>
#include <vector>

#include "formats/swizzle.h"
#include "kernels/scaled_mm/scaled_mm.h"
#include "ops/checks.h"

namespace lowp::ops {

inline constexpr char kScaledMm[] = "lowp::scaled_mm";
inline constexpr char kScaledMmArguments[] =
    "Tensor a, Tensor b, Tensor scale_a, Tensor scale_b, str recipe_a, str recipe_b, "
    "Tensor? bias=None, ScalarType? out_dtype=None, bool use_fast_accum=False, "
    "Tensor? tensor_scale_a=None, Tensor? tensor_scale_b=None, bool swizzled=False, "
    "str implementation='auto'";

struct ScaledMmSide {
  const char* name;               // "a"
  const char* scale_name;         // "scale_a"
  const char* tensor_scale_name;  // "tensor_scale_a"
  const Tensor& codes;
  const Tensor& scale;
  std::string_view recipe;
  const std::optional<Tensor>& tensor_scale;
};

struct ScaledMmCall {
  ScaledMmSide a;
  ScaledMmSide b;
  const std::optional<Tensor>& bias;
  bool use_fast_accum;
  bool swizzled;
};

using CheckDevice = void (*)(const Argument& argument, const Tensor& a);

inline kernels::ScaleRecipe check_recipe(const char* argument, std::string_view recipe) {
  using kernels::ScaleRecipe;
  return check_choice<ScaleRecipe>(kScaledMm, argument, recipe,
                                   {{"tensor", ScaleRecipe::kTensor},
                                    {"row", ScaleRecipe::kRow},
                                    {"1x128", ScaleRecipe::k1x128},
                                    {"128x128", ScaleRecipe::k128x128},
                                    {"1x32", ScaleRecipe::k1x32},
                                    {"1x16", ScaleRecipe::k1x16}});
}

// numerics 8: every other pair is an error.
inline void check_recipes(const ScaledMmSide& a, const ScaledMmSide& b) {
  using kernels::ScaleRecipe;
  const ScaleRecipe left = check_recipe("recipe_a", a.recipe);
  const ScaleRecipe right = check_recipe("recipe_b", b.recipe);
  const bool by_128 = (left == ScaleRecipe::k1x128 || right == ScaleRecipe::k1x128) &&
                      (left == ScaleRecipe::k128x128 || right == ScaleRecipe::k128x128);
  const bool equal = left == right && left != ScaleRecipe::k128x128;
  if (by_128 || equal) return;
  fail(kScaledMm, "recipe_a and recipe_b do not go together", concat({a.recipe, " and ", b.recipe}),
       "equal recipes other than 128x128, or 1x128 and 128x128");
}

inline DType check_scaled_codes(const ScaledMmSide& side, kernels::ScaleRecipe recipe) {
  using kernels::ScaleRecipe;
  const Argument argument{kScaledMm, side.name, side.codes};
  if (recipe == ScaleRecipe::k1x16) {
    check_dtype(argument, {ScalarType::Byte});
  } else if (recipe == ScaleRecipe::k1x32) {
    check_dtype(argument, {ScalarType::Float8_e4m3fn, ScalarType::Float8_e5m2, ScalarType::Byte});
  } else {
    check_dtype(argument, {ScalarType::Float8_e4m3fn, ScalarType::Float8_e5m2});
  }
  const std::int64_t dims = side.codes.dim();
  if (dims != 2 && dims != 3) {
    fail(kScaledMm, concat({side.name, " is not a matrix or a batch of them"}),
         to_string(side.codes.sizes()), "two or three dimensions");
  }
  if (side.codes.size(dims - 1) > 1 && side.codes.stride(dims - 1) != 1) {
    fail(kScaledMm, concat({side.name, " has strided columns"}),
         concat({"strides ", to_string(side.codes.strides())}),
         "a last stride of 1: call contiguous() first");
  }
  return side.codes.scalar_type() == ScalarType::Byte ? DType::kF4
                                                      : to_dtype(side.codes.scalar_type());
}

// Rows and blocks of the scale that goes with (rows, k).
struct ScaleShape {
  std::int64_t rows;
  std::int64_t blocks;
};
inline ScaleShape scale_shape(kernels::ScaleRecipe recipe, std::int64_t rows, std::int64_t k) {
  using kernels::ScaleRecipe;
  switch (recipe) {
    case ScaleRecipe::kTensor:
      return {1, 1};
    case ScaleRecipe::kRow:
      return {rows, 1};
    case ScaleRecipe::k1x128:
      return {rows, ceil_div(k, 128)};
    case ScaleRecipe::k128x128:
      return {ceil_div(rows, 128), ceil_div(k, 128)};
    case ScaleRecipe::k1x32:
      return {rows, k / 32};
    default:
      return {rows, k / 16};
  }
}

inline void check_swizzled_scale(const ScaledMmSide& side, ScaleShape shape, std::int64_t batch) {
  const std::int64_t expected = batch * swizzled_bytes(shape.rows, shape.blocks);
  if (side.scale.numel() == expected && side.scale.is_contiguous()) return;
  fail(kScaledMm, concat({side.scale_name, " does not fit ", side.name}),
       concat({to_string(side.scale.sizes()), " with strides ", to_string(side.scale.strides())}),
       concat({"a contiguous tensor of ", std::to_string(expected), " swizzled scales"}));
}

// (rows, blocks), or (batch, rows, blocks) of an operand with a batch; one element where the whole
// operand has one. Any strides.
inline void check_plain_scale(const ScaledMmSide& side, kernels::ScaleRecipe recipe,
                              ScaleShape shape) {
  const Tensor& scale = side.scale;
  if (recipe == kernels::ScaleRecipe::kTensor && scale.numel() == 1) return;
  const std::int64_t dims = side.codes.dim();
  const bool fits = scale.dim() == dims && scale.size(dims - 2) == shape.rows &&
                    scale.size(dims - 1) == shape.blocks &&
                    (dims == 2 || scale.size(0) == side.codes.size(0));
  if (fits) return;
  const std::string batch =
      dims == 3 ? concat({std::to_string(side.codes.size(0)), ", "}) : std::string();
  fail(kScaledMm, concat({side.scale_name, " does not fit ", side.name}), to_string(scale.sizes()),
       concat({"(", batch, std::to_string(shape.rows), ", ", std::to_string(shape.blocks), ")"}));
}

inline ScalarType scale_dtype(kernels::ScaleRecipe recipe) {
  if (recipe == kernels::ScaleRecipe::k1x32) return ScalarType::Float8_e8m0fnu;
  return recipe == kernels::ScaleRecipe::k1x16 ? ScalarType::Float8_e4m3fn : ScalarType::Float;
}

inline kernels::ScaledOperand check_scaled_operand(const ScaledMmSide& side, bool swizzled,
                                                   const Tensor& a, CheckDevice check_device) {
  using kernels::ScaleRecipe;
  const ScaleRecipe recipe = check_recipe("recipe", side.recipe);
  const Argument scale_argument{kScaledMm, side.scale_name, side.scale};
  check_device({kScaledMm, side.name, side.codes}, a);
  check_device(scale_argument, a);
  check_dtype(scale_argument, {scale_dtype(recipe)});
  const DType dtype = check_scaled_codes(side, recipe);

  const std::int64_t dims = side.codes.dim();
  const std::int64_t rows = side.codes.size(dims - 2);
  const std::int64_t bytes = side.codes.size(dims - 1);
  const std::int64_t k = dtype == DType::kF4 ? 2 * bytes : bytes;
  const std::int64_t block = recipe == ScaleRecipe::k1x32   ? 32
                             : recipe == ScaleRecipe::k1x16 ? 16
                                                            : 1;
  if (k % block != 0) {
    fail(kScaledMm, concat({side.name, "'s columns are no multiple of the block"}),
         std::to_string(k), concat({"a multiple of ", std::to_string(block)}));
  }
  const bool small_blocks = block > 1;
  const ScaleShape shape = scale_shape(recipe, rows, k);
  const std::int64_t batch = dims == 3 ? side.codes.size(0) : 1;
  const bool is_swizzled = swizzled && small_blocks;
  if (is_swizzled) {
    check_swizzled_scale(side, shape, batch);
  } else {
    check_plain_scale(side, recipe, shape);
  }
  if (side.tensor_scale) {
    const Argument argument{kScaledMm, side.tensor_scale_name, *side.tensor_scale};
    if (recipe != ScaleRecipe::k1x16) {
      fail(kScaledMm, concat({argument.name, " belongs to recipe 1x16"}), side.recipe, "none");
    }
    check_device(argument, a);
    check_dtype(argument, {ScalarType::Float});
    check_shape(argument, {1});
  }

  const std::int64_t scale_dims = side.scale.dim();
  kernels::ScaledOperand operand{};
  operand.codes = side.codes.const_data_ptr();
  operand.dtype = dtype;
  operand.row_stride = rows > 1 ? side.codes.stride(dims - 2) : bytes;
  operand.batch_stride = batch > 1 ? side.codes.stride(0) : 0;
  operand.recipe = recipe;
  operand.scale = side.scale.const_data_ptr();
  operand.swizzled = is_swizzled;
  if (is_swizzled) {
    operand.scale_batch_stride = batch > 1 ? swizzled_bytes(shape.rows, shape.blocks) : 0;
  } else if (side.scale.numel() != 1) {
    if (recipe != ScaleRecipe::kTensor) {
      operand.scale_row_stride = side.scale.stride(scale_dims - 2);
      operand.scale_block_stride = side.scale.stride(scale_dims - 1);
    }
    operand.scale_batch_stride = batch > 1 ? side.scale.stride(0) : 0;
  }
  operand.tensor_scale = side.tensor_scale ? data<float>(*side.tensor_scale) : nullptr;
  return operand;
}

// Everything but the output, the bias on the CPU, and where the kernel runs.
inline kernels::ScaledMmArgs check_scaled_mm(const ScaledMmCall& call, CheckDevice check_device) {
  check_recipes(call.a, call.b);
  const Tensor& a = call.a.codes;
  const Tensor& b = call.b.codes;
  kernels::ScaledMmArgs args{};
  args.a = check_scaled_operand(call.a, call.swizzled, a, check_device);
  args.b = check_scaled_operand(call.b, call.swizzled, a, check_device);
  const std::int64_t a_dims = a.dim();
  const std::int64_t b_dims = b.dim();
  const bool batches_fit = b_dims == 2 || (a_dims == 3 && a.size(0) == b.size(0));
  if (!batches_fit || a.size(a_dims - 1) != b.size(b_dims - 1) ||
      (args.a.dtype == DType::kF4) != (args.b.dtype == DType::kF4)) {
    fail(kScaledMm, "b does not fit a", concat({to_string(b.sizes()), " ", name(b.scalar_type())}),
         concat({"(N, K) or (batch, N, K) that goes with ", to_string(a.sizes()), " ",
                 name(a.scalar_type())}));
  }
  args.batch = a_dims == 3 ? a.size(0) : 1;
  args.m = a.size(a_dims - 2);
  args.n = b.size(b_dims - 2);
  args.k = a.size(a_dims - 1) * (args.a.dtype == DType::kF4 ? 2 : 1);
  if (call.bias) {
    const Argument bias{kScaledMm, "bias", *call.bias};
    check_device(bias, a);
    check_dtype(bias, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
    check_shape(bias, {args.n});
    if (!call.bias->is_contiguous()) {
      fail(kScaledMm, "bias is not contiguous", to_string(call.bias->strides()), "a stride of 1");
    }
    args.bias = call.bias->const_data_ptr();
    args.bias_dtype = to_dtype(call.bias->scalar_type());
  }
  args.fast_accumulation = call.use_fast_accum;
  return args;
}

inline std::vector<std::int64_t> scaled_mm_shape(const Tensor& a, std::int64_t n) {
  const Shape sizes = a.sizes();
  std::vector<std::int64_t> shape(sizes.begin(), sizes.end());
  shape.back() = n;
  return shape;
}

inline void check_scaled_mm_out(const Tensor& out, const Tensor& a, kernels::ScaledMmArgs& args,
                                std::optional<ScalarType> out_dtype, CheckDevice check_device) {
  const Argument argument{kScaledMm, "out", out};
  check_device(argument, a);
  if (out_dtype) {
    check_dtype(argument, {*out_dtype});
  }
  check_dtype(argument, {ScalarType::Float, ScalarType::Half, ScalarType::BFloat16});
  const std::vector<std::int64_t> expected = scaled_mm_shape(a, args.n);
  const Shape sizes = out.sizes();
  if (!out.is_contiguous() || sizes.size() != expected.size() ||
      !std::equal(expected.begin(), expected.end(), sizes.begin())) {
    fail(kScaledMm, "out does not fit a and b",
         concat({to_string(sizes), " with strides ", to_string(out.strides())}),
         concat({"a contiguous tensor of ", to_string(Shape(expected.data(), expected.size()))}));
  }
  args.out = out.mutable_data_ptr();
  args.out_dtype = to_dtype(out.scalar_type());
}

inline Tensor empty_scaled_mm(const Tensor& a, const Tensor& b,
                              std::optional<ScalarType> out_dtype) {
  if (a.dim() < 2 || b.dim() < 2) {
    fail(kScaledMm, "a and b are not matrices",
         concat({to_string(a.sizes()), to_string(b.sizes())}), "two or three dimensions");
  }
  const std::vector<std::int64_t> shape = scaled_mm_shape(a, b.size(b.dim() - 2));
  return torch::stable::new_empty(a, Shape(shape.data(), shape.size()),
                                  out_dtype.value_or(ScalarType::BFloat16));
}

}  // namespace lowp::ops
