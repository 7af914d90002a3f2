#include "kernels/quantize_common/cuda_affine.h"
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_int8/cuda.h"

namespace lowp::kernels {
namespace {

template <class Found_>
struct Int8Scheme {
  using Found = Found_;
  using Encoding = AffineEncoding;
  static constexpr int kBits = 8;

  Mapping mapping;
  DType scale_dtype;
  float epsilon;
  float* scale;
  std::int8_t* zero_point;

  explicit Int8Scheme(const QuantizeInt8Args& args)
      : mapping(args.mapping),
        scale_dtype(args.scale_dtype),
        epsilon(args.epsilon),
        scale(args.scale),
        zero_point(args.zero_point) {}

  __host__ __device__ bool scans() const { return true; }

  __device__ Encoding finish(Found found, std::int64_t index, bool stores) const {
    const auto [min, max] = found.get();
    const AffineParams params =
        choose_affine_params(scale_dtype, min, max, mapping, kInt8, epsilon);
    if (stores) {
      scale[index] = params.scale;
      if (zero_point != nullptr) zero_point[index] = static_cast<std::int8_t>(params.zero_point);
    }
    return affine_encoding(params.scale, params.zero_point);
  }
  __device__ Encoding stored(std::int64_t index) const {
    return affine_encoding(scale[index], zero_point == nullptr ? 0 : zero_point[index]);
  }

  __device__ Encoding prepared(const Encoding& encoding) const { return encoding; }
  __device__ Encoding from_lane(const Encoding& encoding, int lane, int width) const {
    return affine_from_lane(encoding, lane, width);
  }

  template <bool kFast>
  __device__ unsigned encode_pair(float even, float odd, const Encoding& of_even,
                                  const Encoding& of_odd) const {
    const int low = encode_affine(even, of_even, kInt8);
    const int high = encode_affine(odd, of_odd, kInt8);
    return (low & 0xFF) | (high & 0xFF) << 8;
  }
};

// Symmetric scales need the amax alone.
template <class Run>
auto with_scheme(const QuantizeInt8Args& args, const Run& run) {
  return args.mapping == Mapping::kSymmetric ? run(Int8Scheme<Amax>(args))
                                             : run(Int8Scheme<Extremes>(args));
}

}  // namespace

std::int64_t quantize_int8_cuda_workspace(const QuantizeInt8Args& args) {
  return with_scheme(args, [&]<class Found>(const Int8Scheme<Found>&) {
    return quantize_workspace<Found>(args.x.rows, args.x.cols, args.block);
  });
}

const char* quantize_int8_cuda(const QuantizeInt8Args& args, void* workspace, void* stream) {
  auto* cuda_stream = static_cast<cudaStream_t>(stream);
  with_scheme(args, [&](const auto& scheme) {
    with_element(args.x.dtype, [&]<class T>(T) {
      quantize_matrix<T>(scheme, args.x, args.block, args.codes, workspace, cuda_stream);
    });
  });
  return launch_error();
}

}  // namespace lowp::kernels
