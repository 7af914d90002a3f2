#include "formats/nvfp4.h"
#include "formats/swizzle.h"
#include "kernels/dequantize_nvfp4/cuda.h"
#include "kernels/runtime/cuda_dequantize.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kSteps = 4;  // octets of a thread, all loaded before the first is stored

struct Nvfp4Matrix {
  const std::uint8_t* codes;
  const std::uint8_t* block_scale;
  const float* tensor_scale;
  void* out;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;  // of out
  bool aligned;         // codes and out, octet by octet
};

template <class Output>
__global__ void __launch_bounds__(kThreads) dequantize(Nvfp4Matrix matrix) {
  const auto octets_across = static_cast<unsigned>(matrix.cols / kOctet);
  const auto octets = static_cast<unsigned>(matrix.rows * octets_across);
  const float tensor_scale = *matrix.tensor_scale;
  auto* out = static_cast<typename Output::Element*>(matrix.out);
  const unsigned first = blockIdx.x * (kThreads * kSteps) + threadIdx.x;
  unsigned codes[kSteps];
  float block_scale[kSteps];
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned octet = min(first + i * kThreads, octets - 1);
    codes[i] = load_codes<E2m1>(matrix.codes + std::int64_t{octet} * OctetCodes<E2m1>::kBytes,
                                matrix.aligned);
    block_scale[i] = decode<E4m3>(matrix.block_scale[octet / (kNvfp4Block / kOctet)]);
  }
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned octet = first + i * kThreads;
    if (octet >= octets) return;
    const bool nan = is_nan(block_scale[i]) || is_nan(tensor_scale);
    float values[kOctet];
#pragma unroll
    for (int j = 0; j < kOctet; ++j) {
      const float value =
          multiply(multiply(decode<E2m1>(code_at(codes[i], j)), block_scale[i]), tensor_scale);
      values[j] = nan ? kNaN : value;
    }
    const unsigned row = matrix.stride == matrix.cols ? 0 : octet / octets_across;
    const std::int64_t col = (octet - std::int64_t{row} * octets_across) * kOctet;
    store_octet<Output>(out + row * matrix.stride + col, values, matrix.aligned);
  }
}

}  // namespace

const char* dequantize_nvfp4_cuda(const DequantizeNvfp4CudaArgs& args) {
  const MutableMatrix& out = args.out;
  if (out.rows == 0 || out.cols == 0) return nullptr;
  if (out.rows * out.cols / kOctet >= INT32_MAX) return "more than 2^34 elements";
  const Nvfp4Matrix matrix{
      .codes = args.codes,
      .block_scale = args.block_scale,
      .tensor_scale = args.tensor_scale,
      .out = out.data,
      .rows = out.rows,
      .cols = out.cols,
      .stride = out.stride,
      .aligned = out.stride * (bits(out.dtype) / 8) % 16 == 0 && is_aligned(out.data, 16) &&
                 is_aligned(args.codes, 4),
  };
  const auto groups =
      static_cast<unsigned>(ceil_div(out.rows * out.cols / kOctet, kThreads * kSteps));
  auto* stream = static_cast<cudaStream_t>(args.stream);
  with_output(out.dtype, [&]<class Output>(Output) {
    dequantize<Output><<<groups, kThreads, 0, stream>>>(matrix);
  });
  return last_launch_error();
}

}  // namespace lowp::kernels
