#include "kernels/linear_w4a8/sm90_launch_inl.cuh"

namespace lowp::kernels {

std::int64_t linear_w4a8_sm90_workspace(const LinearW4A8Sm90Args& args) {
  if (!w4a8::takes_tiles(args) || args.zero == nullptr) return 0;
  return std::int64_t{w4a8::x_sums_units(args)} * w4a8::x_sums_pitch(args) * 4;
}

const char* linear_w4a8_sm90_name(const LinearW4A8Sm90Args& args) {
  if (!w4a8::takes_tiles(args)) return "cuda";
  return args.m <= 128 ? "sm90_few_rows" : "sm90";
}

const char* linear_w4a8_sm90(const LinearW4A8Sm90Args& args) {
  if (!w4a8::takes_tiles(args)) return w4a8::run_plain<true>(args);
  if (args.zero == nullptr) {
    return args.zero_point == nullptr ? w4a8::run_tiles<w4a8::Int8, false>(args)
                                      : w4a8::run_tiles<w4a8::Int8, true>(args);
  }
  const unsigned units = w4a8::x_sums_units(args);
  w4a8::sum_x<<<dim3(static_cast<unsigned>(args.m), w4a8::ceil_div(units, w4a8::kPlainThreads)),
                w4a8::kPlainThreads, 0, static_cast<cudaStream_t>(args.stream)>>>(
      static_cast<const std::int8_t*>(args.x), static_cast<unsigned>(args.k), w4a8::unit_of(args),
      units, w4a8::x_sums_pitch(args), args.x_sums);
  if (const char* error = w4a8::last_error()) return error;
  return w4a8::run_tiles<w4a8::Int8, true>(args);
}

}  // namespace lowp::kernels
