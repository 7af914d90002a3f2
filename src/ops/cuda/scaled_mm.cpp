// lowp::scaled_mm on CUDA.
#include "ops/cuda/scaled_mm.h"

#include "ops/scaled_mm_operator.h"

namespace lowp::ops {
namespace {

[[noreturn]] void fail_choice(const char* operation, const kernels::ScaledMmArgs& args,
                              std::string_view family) {
  std::string reasons;
  for (const kernels::ScaledMmSm90& candidate : kernels::scaled_mm_sm90()) {
    if (family != "auto" && family != candidate.family) continue;
    const char* reason = candidate.refuse(args);
    if (reason == nullptr) reason = candidate.slower(args);
    reasons += concat({reasons.empty() ? "" : "; ", candidate.name, ": ", reason});
  }
  fail(operation, "no implementation takes this product", reasons,
       "operands that one of them takes");
}

}  // namespace

const kernels::ScaledMmSm90& choose_scaled_mm(const char* operation,
                                              const kernels::ScaledMmArgs& args,
                                              std::string_view family) {
  const bool any = family == "auto";
  for (const kernels::ScaledMmSm90& candidate : kernels::scaled_mm_sm90()) {
    if (!any && family != candidate.family) continue;
    const char* reason = any ? candidate.slower(args) : nullptr;
    if (reason == nullptr) reason = candidate.refuse(args);  // which may have to ask cuBLASLt
    kernels::log_choice(operation, candidate.name, reason);
    if (reason == nullptr) return candidate;
  }
  fail_choice(operation, args, family);
}

namespace {

void check_size(const kernels::ScaledMmArgs& args) {
  constexpr std::int64_t kMost = INT32_MAX - 256;
  for (const std::int64_t size : {args.batch, args.m, args.n, args.k}) {
    if (size > kMost)
      fail(kScaledMm, "a dimension is too large", std::to_string(size), "below 2^31");
  }
}

// A product over nothing: the bias, or zero.
void fill(const Tensor& out, const std::optional<Tensor>& bias) {
  if (bias) {
    torch::stable::copy_(const_cast<Tensor&>(out), *bias);
  } else {
    torch::stable::zero_(const_cast<Tensor&>(out));
  }
}

struct Cuda {
  static void check(const Argument& argument, const Tensor& a) { check_same_device(argument, a); }

  static const kernels::ScaledMmSm90& choose_implementation(const kernels::ScaledMmArgs& args,
                                                            std::string_view implementation) {
    check_size(args);
    check_choice<bool>(kScaledMm, "implementation", implementation,
                       {{"auto", true}, {"lowp", true}, {"cublaslt", true}, {"emulated", true}});
    return choose_scaled_mm(kScaledMm, args, implementation);
  }

  static void run(const Tensor& a, const std::optional<Tensor>& bias, kernels::ScaledMmArgs args,
                  std::string_view implementation, const Tensor& out) {
    const Launch launch(a);
    if (out.numel() == 0) return;
    if (args.k == 0) return fill(out, bias);
    const kernels::ScaledMmSm90& chosen = choose_implementation(args, implementation);
    const LaunchMemory workspace(launch, chosen.workspace(args));
    args.workspace = workspace.data();
    args.stream = launch.stream;
    check_launch(kScaledMm, chosen.run(args));
  }

  static std::string choose(const kernels::ScaledMmArgs& args, std::string_view implementation) {
    return choose_implementation(args, implementation).name;
  }
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(lowp, CUDA, library) { ScaledMmOperator<Cuda>::implement(library); }

}  // namespace lowp::ops
