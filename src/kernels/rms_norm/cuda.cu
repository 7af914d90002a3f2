#include "kernels/rms_norm/cuda.h"
#include "kernels/runtime/cuda_elements_inl.cuh"

namespace lowp::kernels {
namespace {

using device::kVector;
using device::Row;
using device::Vector;

struct Norm {
  RmsNormArgs args;
  bool aligned;  // all operands are
};

// A block a row, kept in registers between the two passes: kVectors vectors a thread.
template <int kVectors>
__global__ void __launch_bounds__(device::kMaxThreads) normalize_rows(const Norm norm) {
  const RmsNormArgs& args = norm.args;
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const std::int64_t cols = args.x.cols;
  const Row x{device::advance(args.x.data, args.x.dtype, row * args.x.stride), args.x.dtype, cols,
              norm.aligned};
  const Row weight{args.weight.data, args.weight.dtype, cols, norm.aligned};
  const bool adds = args.residual.data != nullptr;
  void* residual_data =
      adds ? device::advance(args.residual.data, args.residual.dtype, row * args.residual.stride)
           : nullptr;
  const Row residual{residual_data, args.residual.dtype, cols, norm.aligned};

  Vector values[kVectors];
  float squares = 0.0F;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const std::int64_t col = (threadIdx.x + std::int64_t{i} * blockDim.x) * kVector;
    if (col >= cols) break;
    values[i] = device::load_vector(x, col);
    if (adds) {
      const Vector old = device::load_vector(residual, col);
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        values[i].v[j] = device::round_to(residual.dtype, old.v[j] + values[i].v[j]);
      }
      device::store_vector(residual_data, residual, col, values[i]);
    }
#pragma unroll
    for (int j = 0; j < kVector; ++j) squares += values[i].v[j] * values[i].v[j];
  }

  const float mean = device::block_sum(squares) / static_cast<float>(cols);
  const float factor = 1.0F / sqrtf(mean + args.epsilon);
  const Row out{nullptr, args.out.dtype, cols, norm.aligned};
  void* out_data = device::advance(args.out.data, args.out.dtype, row * args.out.stride);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const std::int64_t col = (threadIdx.x + std::int64_t{i} * blockDim.x) * kVector;
    if (col >= cols) break;
    const Vector scale = device::load_vector(weight, col);
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      values[i].v[j] = values[i].v[j] * factor * (scale.v[j] + args.weight_offset);
    }
    device::store_vector(out_data, out, col, values[i]);
  }
}

template <class AnyMatrix>
bool is_aligned(const AnyMatrix& matrix) {
  return matrix.data == nullptr ||
         device::is_aligned(matrix.data, matrix.dtype, matrix.cols, matrix.stride);
}

}  // namespace

const char* rms_norm_cuda(const RmsNormArgs& args, void* stream) {
  if (args.x.rows == 0 || args.x.cols == 0) return nullptr;
  const Norm norm{args, is_aligned(args.x) && is_aligned(args.residual) &&
                            is_aligned(args.weight) && is_aligned(args.out)};
  const auto rows = static_cast<unsigned>(args.x.rows);
  const std::int64_t vectors = (args.x.cols + kVector - 1) / kVector;
  auto* on = static_cast<cudaStream_t>(stream);
  if (vectors <= device::kMaxThreads) {
    const unsigned threads = device::threads_for(vectors, device::kMaxThreads);
    normalize_rows<1><<<rows, threads, 0, on>>>(norm);
  } else {
    normalize_rows<4><<<rows, device::kMaxThreads, 0, on>>>(norm);
  }
  return device::launch_error();
}

}  // namespace lowp::kernels
