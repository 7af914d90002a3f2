#include "ops/pack_weight.h"

#include <torch/csrc/stable/library.h>

#include "kernels/pack_weight/layout.h"
#include "kernels/pack_weight/pack_weight.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

using kernels::kPackedBytes;
using kernels::kPackedRows;

constexpr char kPackWeight[] = "lowp::pack_weight";
constexpr char kUnpackWeight[] = "lowp::unpack_weight";
constexpr char kPackScale[] = "lowp::pack_scale";
constexpr char kUnpackScale[] = "lowp::unpack_scale";

void check_codes(const Argument& weight) {
  check_dtype(weight, {ScalarType::Byte, ScalarType::Char, ScalarType::Float8_e4m3fn});
}

void check_scale_type(const Argument& scale) {
  check_dtype(scale, {ScalarType::Float8_e4m3fn, ScalarType::Float8_e8m0fnu, ScalarType::Char,
                      ScalarType::BFloat16, ScalarType::Float});
}

std::int64_t element_bytes(const Tensor& scale) {
  const ScalarType dtype = scale.scalar_type();
  return dtype == ScalarType::Float ? 4 : dtype == ScalarType::BFloat16 ? 2 : 1;
}

// (rows, cols) with rows that can be packed, of a multiple of `bytes` bytes each.
WeightShape check_plain(const Argument& argument, std::int64_t bytes) {
  const Tensor& tensor = argument.tensor;
  if (tensor.dim() != 2 || tensor.size(0) % kPackedRows != 0 || tensor.size(1) % bytes != 0) {
    fail(argument.operation, concat({argument.name, " cannot be packed"}),
         to_string(tensor.sizes()),
         concat({"two dimensions, rows a multiple of 8",
                 bytes == 1 ? "" : ", columns of 4 bytes or a multiple"}));
  }
  check_dense(argument, tensor.scalar_type(), {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1)};
}

WeightShape check_packed_weight(const Argument& weight) {
  if (!is_packed(weight.tensor)) {
    fail(weight.operation, concat({weight.name, " is not packed"}),
         to_string(weight.tensor.sizes()), "(rows / 8, bytes / 4, 8, 4)");
  }
  return check_packable_weight(weight, weight.tensor.scalar_type(), 1);
}

WeightShape check_packed_scale(const Argument& scale) {
  const Tensor& tensor = scale.tensor;
  if (tensor.dim() != 3 || tensor.size(2) != kPackedRows) {
    fail(scale.operation, concat({scale.name, " is not packed"}), to_string(tensor.sizes()),
         "(rows / 8, groups, 8)");
  }
  check_dense(scale, tensor.scalar_type(), {tensor.size(0), tensor.size(1), kPackedRows});
  return {tensor.size(0) * kPackedRows, tensor.size(1)};
}

Tensor empty_like(const Tensor& tensor, std::initializer_list<std::int64_t> shape) {
  return torch::stable::new_empty(tensor, Shape(shape.begin(), shape.size()));
}

kernels::PackWeightArgs arguments(const Tensor& in, std::int64_t rows, std::int64_t cols,
                                  std::int64_t element_bytes, const Tensor& out) {
  return {.in = in.const_data_ptr(),
          .rows = rows,
          .cols = cols,
          .element_bytes = element_bytes,
          .out = out.mutable_data_ptr(),
          .parallel = torch_pool()};
}

void pack_weight_out(const Tensor& weight, const Tensor& out) {
  check_codes({kPackWeight, "weight", weight});
  const auto [rows, cols] = check_plain({kPackWeight, "weight", weight}, kPackedBytes);
  const std::int64_t dwords = cols / kPackedBytes;
  check_dense({kPackWeight, "out", out}, weight.scalar_type(),
              {rows / kPackedRows, dwords, kPackedRows, kPackedBytes});
  kernels::pack_weight(arguments(weight, rows, dwords, kPackedBytes, out));
}

Tensor pack_weight(const Tensor& weight) {
  const auto [rows, cols] = check_plain({kPackWeight, "weight", weight}, kPackedBytes);
  const Tensor out =
      empty_like(weight, {rows / kPackedRows, cols / kPackedBytes, kPackedRows, kPackedBytes});
  pack_weight_out(weight, out);
  return out;
}

void unpack_weight_out(const Tensor& weight, const Tensor& out) {
  check_codes({kUnpackWeight, "weight", weight});
  const auto [rows, cols] = check_packed_weight({kUnpackWeight, "weight", weight});
  check_dense({kUnpackWeight, "out", out}, weight.scalar_type(), {rows, cols});
  kernels::unpack_weight(arguments(weight, rows, cols / kPackedBytes, kPackedBytes, out));
}

Tensor unpack_weight(const Tensor& weight) {
  const auto [rows, cols] = check_packed_weight({kUnpackWeight, "weight", weight});
  const Tensor out = empty_like(weight, {rows, cols});
  unpack_weight_out(weight, out);
  return out;
}

void pack_scale_out(const Tensor& scale, const Tensor& out) {
  check_scale_type({kPackScale, "scale", scale});
  const auto [rows, groups] = check_plain({kPackScale, "scale", scale}, 1);
  check_dense({kPackScale, "out", out}, scale.scalar_type(),
              {rows / kPackedRows, groups, kPackedRows});
  kernels::pack_weight(arguments(scale, rows, groups, element_bytes(scale), out));
}

Tensor pack_scale(const Tensor& scale) {
  const auto [rows, groups] = check_plain({kPackScale, "scale", scale}, 1);
  const Tensor out = empty_like(scale, {rows / kPackedRows, groups, kPackedRows});
  pack_scale_out(scale, out);
  return out;
}

void unpack_scale_out(const Tensor& scale, const Tensor& out) {
  check_scale_type({kUnpackScale, "scale", scale});
  const auto [rows, groups] = check_packed_scale({kUnpackScale, "scale", scale});
  check_dense({kUnpackScale, "out", out}, scale.scalar_type(), {rows, groups});
  kernels::unpack_weight(arguments(scale, rows, groups, element_bytes(scale), out));
}

Tensor unpack_scale(const Tensor& scale) {
  const auto [rows, groups] = check_packed_scale({kUnpackScale, "scale", scale});
  const Tensor out = empty_like(scale, {rows, groups});
  unpack_scale_out(scale, out);
  return out;
}

}  // namespace

WeightShape check_packable_weight(const Argument& weight, ScalarType dtype,
                                  std::int64_t values_a_byte) {
  const Tensor& tensor = weight.tensor;
  if (!is_packed(tensor)) return check_weight(weight, dtype, values_a_byte);
  const std::int64_t blocks = tensor.size(0), dwords = tensor.size(1);
  if (dwords == 0 || tensor.size(2) != kPackedRows || tensor.size(3) != kPackedBytes) {
    fail(weight.operation, concat({weight.name, " is not packed"}), to_string(tensor.sizes()),
         "(rows / 8, bytes / 4, 8, 4)");
  }
  check_dense(weight, dtype, {blocks, dwords, kPackedRows, kPackedBytes});
  return {blocks * kPackedRows, dwords * kPackedBytes * values_a_byte};
}

void check_packable_block_scale(const Argument& scale, ScalarType dtype, WeightShape weight,
                                std::int64_t block, std::int64_t experts, bool packed) {
  if (!packed) return check_block_scale(scale, dtype, weight, block, experts);
  if (weight.k % block != 0) {
    fail(scale.operation, "the weight's columns are no multiple of the block",
         std::to_string(weight.k), concat({"a multiple of ", std::to_string(block)}));
  }
  check_dense(scale, dtype, {weight.n / kPackedRows, weight.k / block, kPackedRows});
}

// A weight's codes (N, bytes), uint8, int8 or float8_e4m3fn, to (N / 8, bytes / 4, 8, 4), 8 rows
// side by side by 4 bytes, and its scales (N, groups) to (N / 8, groups, 8), as kernels/pack_weight
// says; and back. linear_nvfp4 and linear_mxfp4 take either, on the CPU.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("pack_weight(Tensor weight) -> Tensor");
  library.def("pack_weight.out(Tensor weight, *, Tensor(a!) out) -> ()");
  library.def("unpack_weight(Tensor weight) -> Tensor");
  library.def("unpack_weight.out(Tensor weight, *, Tensor(a!) out) -> ()");
  library.def("pack_scale(Tensor scale) -> Tensor");
  library.def("pack_scale.out(Tensor scale, *, Tensor(a!) out) -> ()");
  library.def("unpack_scale(Tensor scale) -> Tensor");
  library.def("unpack_scale.out(Tensor scale, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("pack_weight", TORCH_BOX(&pack_weight));
  library.impl("pack_weight.out", TORCH_BOX(&pack_weight_out));
  library.impl("unpack_weight", TORCH_BOX(&unpack_weight));
  library.impl("unpack_weight.out", TORCH_BOX(&unpack_weight_out));
  library.impl("pack_scale", TORCH_BOX(&pack_scale));
  library.impl("pack_scale.out", TORCH_BOX(&pack_scale_out));
  library.impl("unpack_scale", TORCH_BOX(&unpack_scale));
  library.impl("unpack_scale.out", TORCH_BOX(&unpack_scale_out));
}

}  // namespace lowp::ops
