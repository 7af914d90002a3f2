// lowp::scaled_mm as the operator of one kind of device.
#pragma once

#include <torch/csrc/stable/library.h>

#include <string>

#include "ops/scaled_mm.h"

namespace lowp::ops {

// Device has
//   static void check(const Argument&, const Tensor& a);  // fails where a tensor is elsewhere
//   static void run(const Tensor& a, const std::optional<Tensor>& bias, kernels::ScaledMmArgs,
//                   std::string_view implementation, const Tensor& out);
//   static std::string choose(kernels::ScaledMmArgs, std::string_view implementation);
template <class Device>
struct ScaledMmOperator {
  static kernels::ScaledMmArgs check(const ScaledMmCall& call, const Tensor& out,
                                     std::optional<ScalarType> out_dtype) {
    kernels::ScaledMmArgs args = check_scaled_mm(call, Device::check);
    check_scaled_mm_out(out, call.a.codes, args, out_dtype, Device::check);
    return args;
  }

  static void out_of(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                     std::string_view recipe_a, std::string_view recipe_b,
                     const std::optional<Tensor>& bias, std::optional<ScalarType> out_dtype,
                     bool use_fast_accum, const std::optional<Tensor>& tensor_scale_a,
                     const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                     std::string_view implementation, const Tensor& out) {
    const ScaledMmCall call{side_a(a, scale_a, recipe_a, tensor_scale_a),
                            side_b(b, scale_b, recipe_b, tensor_scale_b), bias, use_fast_accum,
                            swizzled};
    Device::run(a, bias, check(call, out, out_dtype), implementation, out);
  }

  static Tensor allocating(const Tensor& a, const Tensor& b, const Tensor& scale_a,
                           const Tensor& scale_b, std::string_view recipe_a,
                           std::string_view recipe_b, const std::optional<Tensor>& bias,
                           std::optional<ScalarType> out_dtype, bool use_fast_accum,
                           const std::optional<Tensor>& tensor_scale_a,
                           const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                           std::string_view implementation) {
    const Tensor out = empty_scaled_mm(a, b, out_dtype);
    out_of(a, b, scale_a, scale_b, recipe_a, recipe_b, bias, out_dtype, use_fast_accum,
           tensor_scale_a, tensor_scale_b, swizzled, implementation, out);
    return out;
  }

  static std::string implementation_of(const Tensor& a, const Tensor& b, const Tensor& scale_a,
                                       const Tensor& scale_b, std::string_view recipe_a,
                                       std::string_view recipe_b, const std::optional<Tensor>& bias,
                                       std::optional<ScalarType> out_dtype, bool use_fast_accum,
                                       const std::optional<Tensor>& tensor_scale_a,
                                       const std::optional<Tensor>& tensor_scale_b, bool swizzled,
                                       std::string_view implementation) {
    const ScaledMmCall call{side_a(a, scale_a, recipe_a, tensor_scale_a),
                            side_b(b, scale_b, recipe_b, tensor_scale_b), bias, use_fast_accum,
                            swizzled};
    return Device::choose(check(call, empty_scaled_mm(a, b, out_dtype), out_dtype), implementation);
  }

  template <class Library>
  static void implement(Library& library) {
    library.impl("scaled_mm", TORCH_BOX(&allocating));
    library.impl("scaled_mm.out", TORCH_BOX(&out_of));
    library.impl("scaled_mm.implementation", TORCH_BOX(&implementation_of));
  }

 private:
  static ScaledMmSide side_a(const Tensor& codes, const Tensor& scale, std::string_view recipe,
                             const std::optional<Tensor>& tensor_scale) {
    return {"a", "scale_a", "tensor_scale_a", codes, scale, recipe, tensor_scale};
  }
  static ScaledMmSide side_b(const Tensor& codes, const Tensor& scale, std::string_view recipe,
                             const std::optional<Tensor>& tensor_scale) {
    return {"b", "scale_b", "tensor_scale_b", codes, scale, recipe, tensor_scale};
  }
};

}  // namespace lowp::ops
