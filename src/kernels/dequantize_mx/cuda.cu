#include "formats/mx.h"
#include "formats/swizzle.h"
#include "kernels/dequantize_mx/cuda.h"
#include "kernels/runtime/cuda_dequantize.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kSteps = 4;  // octets of a thread, all loaded before the first is stored
constexpr std::int64_t kMaxGroups = 1 << 20;

struct MxMatrix {
  const std::uint8_t* codes;
  const std::uint8_t* scale;
  void* out;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;  // of out
  std::int64_t block_size;
  bool aligned;  // codes and out, octet by octet
};

__device__ float scaled(float value, float scale) {
  return is_nan(scale) ? kNaN : multiply(value, scale);
}

// Blocks of whole octets.
template <class Element, class Output>
__global__ void __launch_bounds__(kThreads) dequantize_octets(MxMatrix mx) {
  const auto octets_across = static_cast<unsigned>(mx.cols / kOctet);
  const auto octets = static_cast<unsigned>(mx.rows * octets_across);
  const auto octets_in_block = static_cast<unsigned>(mx.block_size / kOctet);
  auto* out = static_cast<typename Output::Element*>(mx.out);
  const unsigned first = blockIdx.x * (kThreads * kSteps) + threadIdx.x;
  typename OctetCodes<Element>::Type codes[kSteps];
  float scale[kSteps];
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned octet = min(first + i * kThreads, octets - 1);
    codes[i] = load_codes<Element>(mx.codes + std::int64_t{octet} * OctetCodes<Element>::kBytes,
                                   mx.aligned);
    scale[i] = E8m0::to_float(mx.scale[octet / octets_in_block]);
  }
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned octet = first + i * kThreads;
    if (octet >= octets) return;
    float values[kOctet];
#pragma unroll
    for (int j = 0; j < kOctet; ++j) {
      values[j] = scaled(decode<Element>(code_at(codes[i], j)), scale[i]);
    }
    const unsigned row = mx.stride == mx.cols ? 0 : octet / octets_across;
    const std::int64_t col = (octet - std::int64_t{row} * octets_across) * kOctet;
    store_octet<Output>(out + row * mx.stride + col, values, mx.aligned);
  }
}

// Any block: a thread an element.
template <class Element, class Output>
__global__ void __launch_bounds__(kThreads) dequantize_elements(MxMatrix mx) {
  auto* out = static_cast<typename Output::Element*>(mx.out);
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < mx.rows * mx.cols;
       i += std::int64_t{gridDim.x} * kThreads) {
    std::uint8_t code = mx.codes[Element::kBits == 4 ? i / 2 : i];
    if (Element::kBits == 4) code = i % 2 == 0 ? code & 0xF : code >> 4;
    const float scale = E8m0::to_float(mx.scale[i / mx.block_size]);
    out[i / mx.cols * mx.stride + i % mx.cols] =
        Output::round(scaled(decode<Element>(code), scale));
  }
}

}  // namespace

const char* dequantize_mx_cuda(const DequantizeMxCudaArgs& args) {
  const MutableMatrix& out = args.out;
  if (out.rows == 0 || out.cols == 0) return nullptr;
  if (out.rows * out.cols / kOctet >= INT32_MAX) return "more than 2^34 elements";
  const bool octets = args.block_size % kOctet == 0;
  const MxMatrix mx{
      .codes = args.codes,
      .scale = args.scale,
      .out = out.data,
      .rows = out.rows,
      .cols = out.cols,
      .stride = out.stride,
      .block_size = args.block_size,
      .aligned = out.stride * (bits(out.dtype) / 8) % 16 == 0 && is_aligned(out.data, 16) &&
                 is_aligned(args.codes, 8),
  };
  const std::int64_t needed = octets ? ceil_div(out.rows * out.cols / kOctet, kThreads * kSteps)
                                     : ceil_div(out.rows * out.cols, kThreads);
  const auto groups = static_cast<unsigned>(needed < kMaxGroups || octets ? needed : kMaxGroups);
  auto* stream = static_cast<cudaStream_t>(args.stream);
  with_output(out.dtype, [&]<class Output>(Output) {
    with_mx_element(args.element, [&]<class Element>(Element) {
      if (octets) {
        dequantize_octets<Element, Output><<<groups, kThreads, 0, stream>>>(mx);
      } else {
        dequantize_elements<Element, Output><<<groups, kThreads, 0, stream>>>(mx);
      }
    });
  });
  return last_launch_error();
}

}  // namespace lowp::kernels
