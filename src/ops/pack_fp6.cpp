#include "kernels/pack_fp6/pack_fp6.h"

#include <torch/csrc/stable/library.h>

#include "ops/fp6.h"
#include "ops/torch_pool.h"

namespace lowp::ops {
namespace {

constexpr char kPack[] = "lowp::pack_fp6";
constexpr char kUnpack[] = "lowp::unpack_fp6";

WeightShape check_fp6_bytes(const Argument& codes) {
  const Tensor& tensor = codes.tensor;
  if (tensor.dim() != 2 || tensor.size(1) % 4 != 0) {
    fail(codes.operation, concat({codes.name, " is not a matrix of groups of four"}),
         to_string(tensor.sizes()), "two dimensions, columns a multiple of 4");
  }
  check_dense(codes, ScalarType::Byte, {tensor.size(0), tensor.size(1)});
  return {tensor.size(0), tensor.size(1)};
}

void pack_fp6_out(const Tensor& codes, const Tensor& out) {
  const auto [rows, cols] = check_fp6_bytes({kPack, "codes", codes});
  check_dense({kPack, "out", out}, ScalarType::Byte, {rows, cols / 4 * 3});
  kernels::pack_fp6({.codes = data<std::uint8_t>(codes),
                     .rows = rows,
                     .cols = cols,
                     .packed = mutable_data<std::uint8_t>(out),
                     .parallel = torch_pool()});
}

Tensor pack_fp6(const Tensor& codes) {
  const auto [rows, cols] = check_fp6_bytes({kPack, "codes", codes});
  const Tensor out = empty({rows, cols / 4 * 3}, ScalarType::Byte);
  pack_fp6_out(codes, out);
  return out;
}

void unpack_fp6_out(const Tensor& packed, const Tensor& out) {
  const auto [rows, cols] = check_packed_fp6({kUnpack, "packed", packed});
  check_dense({kUnpack, "out", out}, ScalarType::Byte, {rows, cols});
  kernels::unpack_fp6({.packed = data<std::uint8_t>(packed),
                       .codes = mutable_data<std::uint8_t>(out),
                       .rows = rows,
                       .cols = cols,
                       .parallel = torch_pool()});
}

Tensor unpack_fp6(const Tensor& packed) {
  const auto [rows, cols] = check_packed_fp6({kUnpack, "packed", packed});
  const Tensor out = empty({rows, cols}, ScalarType::Byte);
  unpack_fp6_out(packed, out);
  return out;
}

}  // namespace

// Codes of quantize_mx's "e2m3" and "e3m2", (rows, cols) uint8, to (rows, cols * 6 / 8) uint8, four
// in three bytes as linear_mxfp6 takes them, and back.
STABLE_TORCH_LIBRARY_FRAGMENT(lowp, library) {
  library.def("pack_fp6(Tensor codes) -> Tensor");
  library.def("pack_fp6.out(Tensor codes, *, Tensor(a!) out) -> ()");
  library.def("unpack_fp6(Tensor packed) -> Tensor");
  library.def("unpack_fp6.out(Tensor packed, *, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lowp, CPU, library) {
  library.impl("pack_fp6", TORCH_BOX(&pack_fp6));
  library.impl("pack_fp6.out", TORCH_BOX(&pack_fp6_out));
  library.impl("unpack_fp6", TORCH_BOX(&unpack_fp6));
  library.impl("unpack_fp6.out", TORCH_BOX(&unpack_fp6_out));
}

}  // namespace lowp::ops
