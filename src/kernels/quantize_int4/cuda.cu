#include "kernels/quantize_common/cuda_affine.h"
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/exact_quotient.h"
#include "kernels/quantize_int4/cuda.h"

namespace lowp::kernels {
namespace {

// Codes are made with the scale before it is rounded to be stored.
template <class T>
struct FloatZeroInt4Scheme {
  using Found = Extremes<T>;
  static constexpr int kBits = 4;

  // fast: the quotients are those that exact_quotient gives, and finite.
  struct Encoding {
    Divisor scale;
    float min;
    bool fast;
  };

  DType scale_dtype;
  float* scale;
  float* zero;

  explicit FloatZeroInt4Scheme(const QuantizeInt4Args& args)
      : scale_dtype(args.scale_dtype), scale(args.scale), zero(args.zero) {}

  __host__ __device__ bool scans() const { return true; }

  __device__ float round(float x) const {
    if (scale_dtype == DType::kBF16) return Bf16::round(x);
    return scale_dtype == DType::kF16 ? Fp16::round(x) : x;
  }

  __device__ Encoding finish(Found found, std::int64_t index, bool stores) const {
    const auto [min, max] = found.get();
    const FloatZeroParams params = int4_float_zero_params(min, max);
    if (stores) {
      scale[index] = round(params.scale);
      zero[index] = round(params.zero);
    }
    return {{params.scale, __frcp_rn(params.scale)}, min, params.scale < 0x1p91F};
  }

  __device__ Encoding prepared(const Encoding& encoding) const { return encoding; }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    const auto shuffle = [&](float value) { return __shfl_sync(kAllLanes, value, lane, width); };
    const float value = shuffle(encoding.scale.value);
    return {{value, shuffle(encoding.scale.reciprocal)}, shuffle(encoding.min), value < 0x1p91F};
  }

  // The difference to the minimum is not negative, and a fast quotient little more than 15.
  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    unsigned codes;
    if constexpr (kFast) {
      const auto steps = [](float x, const Encoding& encoding) {
        return exact_quotient(__fadd_rn(x, -encoding.min), encoding.scale);
      };
      codes = __viaddmin_s16x2(rounded_pair(steps(even, of_even), steps(odd, of_odd)),
                               both_halves(kInt4.min), both_halves(kInt4.max));
    } else {
      codes = __byte_perm(int4_float_zero_quantize(even, of_even.min, of_even.scale.value),
                          int4_float_zero_quantize(odd, of_odd.min, of_odd.scale.value), 0x5410);
    }
    return pack_pair<kBits>(codes);
  }
};

}  // namespace

const char* quantize_int4_cuda(const QuantizeInt4Args& args, void* stream) {
  with_element(args.x.dtype, [&]<class T>(T) {
    const auto quantize = [&](const auto& scheme) {
      quantize_matrix<T>(scheme, args.x, {1, args.group_size}, args.codes, nullptr,
                         static_cast<cudaStream_t>(stream));
    };
    if (args.mapping == Mapping::kFloatZero) {
      quantize(FloatZeroInt4Scheme<T>(args));
    } else if (args.mapping == Mapping::kSymmetric) {
      quantize(AffineScheme<Amax, 4>(args));  // needs the amax alone
    } else {
      quantize(AffineScheme<Extremes<T>, 4>(args));
    }
  });
  return launch_error();
}

}  // namespace lowp::kernels
