#include "kernels/quantize_common/cuda_affine.h"
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/exact_quotient.h"
#include "kernels/quantize_int4/cuda.h"

namespace lowp::kernels {
namespace {

__device__ unsigned pack(int even, int odd) {
  return static_cast<unsigned>((even & 0xF) | (odd & 0xF) << 4);
}

template <class Found_>
struct AffineInt4Scheme {
  using Found = Found_;
  using Encoding = AffineEncoding;
  static constexpr int kBits = 4;

  Mapping mapping;
  DType scale_dtype;
  float epsilon;
  float* scale;
  std::int8_t* zero_point;

  explicit AffineInt4Scheme(const QuantizeInt4Args& args)
      : mapping(args.mapping),
        scale_dtype(args.scale_dtype),
        epsilon(args.epsilon),
        scale(args.scale),
        zero_point(args.zero_point) {}

  __host__ __device__ bool scans() const { return true; }

  __device__ Encoding finish(Found found, std::int64_t index, bool stores) const {
    const auto [min, max] = found.get();
    const AffineParams params =
        choose_affine_params(scale_dtype, min, max, mapping, kInt4, epsilon);
    if (stores) {
      scale[index] = params.scale;
      if (zero_point != nullptr) zero_point[index] = static_cast<std::int8_t>(params.zero_point);
    }
    return affine_encoding(params.scale, params.zero_point);
  }

  __device__ Encoding prepared(const Encoding& encoding) const { return encoding; }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    return affine_from_lane(encoding, lane, width);
  }

  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    return pack(encode_affine(even, of_even, kInt4), encode_affine(odd, of_odd, kInt4));
  }
};

// Codes are made with the scale before it is rounded to be stored.
struct FloatZeroInt4Scheme {
  using Found = Extremes;
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

  __device__ Encoding finish(Extremes found, std::int64_t index, bool stores) const {
    const auto [min, max] = found.get();
    const FloatZeroParams params = int4_float_zero_params(min, max);
    if (stores) {
      scale[index] = round(params.scale);
      zero[index] = round(params.zero);
    }
    return {{params.scale, __frcp_rn(params.scale)}, min, params.scale < 0x1p91F};
  }

  // The difference to the minimum is not negative, and the quotient little more than 15.
  template <bool kFast>
  __device__ static int encode(float x, const Encoding& encoding) {
    if constexpr (!kFast) return int4_float_zero_quantize(x, encoding.min, encoding.scale.value);
    const float steps = exact_quotient(__fadd_rn(x, -encoding.min), encoding.scale);
    return ::min(15, __float2int_rn(steps)) - 8;
  }

  __device__ Encoding prepared(const Encoding& encoding) const { return encoding; }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    const auto shuffle = [&](float value) { return __shfl_sync(kAllLanes, value, lane, width); };
    const float value = shuffle(encoding.scale.value);
    return {{value, shuffle(encoding.scale.reciprocal)}, shuffle(encoding.min), value < 0x1p91F};
  }

  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    return pack(encode<kFast>(even, of_even), encode<kFast>(odd, of_odd));
  }
};

template <class Scheme>
void quantize(const QuantizeInt4Args& args, cudaStream_t stream) {
  with_element(args.x.dtype, [&]<class T>(T) {
    quantize_matrix<T>(Scheme(args), args.x, {1, args.group_size}, args.codes, nullptr, stream);
  });
}

}  // namespace

const char* quantize_int4_cuda(const QuantizeInt4Args& args, void* stream) {
  auto* cuda_stream = static_cast<cudaStream_t>(stream);
  if (args.mapping == Mapping::kFloatZero) {
    quantize<FloatZeroInt4Scheme>(args, cuda_stream);
  } else if (args.mapping == Mapping::kSymmetric) {
    quantize<AffineInt4Scheme<Amax>>(args, cuda_stream);
  } else {
    quantize<AffineInt4Scheme<Extremes>>(args, cuda_stream);
  }
  return launch_error();
}

}  // namespace lowp::kernels
