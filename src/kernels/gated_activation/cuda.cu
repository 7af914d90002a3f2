#include "kernels/gated_activation/cuda.h"
#include "kernels/gated_activation/implementations.h"
#include "kernels/runtime/cuda_elements_inl.cuh"

namespace lowp::kernels {
namespace {

using device::kVector;
using device::Row;
using device::Vector;

constexpr int kThreads = 256;

__device__ float activate(GateActivation activation, float x) {
  const float slope =
      activation == GateActivation::kSilu ? x : kGeluSlope * (x + kGeluCubic * x * x * x);
  return x / (1.0F + expf(-slope));
}

// A vector a thread, rows one after the other.
__global__ void __launch_bounds__(kThreads)
    gate_vectors(const GatedActivationArgs args, std::int64_t vectors_a_row, bool aligned) {
  const std::int64_t index = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t row = index / vectors_a_row;
  if (row >= args.gate.rows) return;
  const std::int64_t col = index % vectors_a_row * kVector;
  const std::int64_t cols = args.gate.cols;
  const Row gate{device::advance(args.gate.data, args.gate.dtype, row * args.gate.stride),
                 args.gate.dtype, cols, aligned};
  const Row up{device::advance(args.up.data, args.up.dtype, row * args.up.stride), args.up.dtype,
               cols, aligned};
  const Vector a = device::load_vector(gate, col);
  const Vector b = device::load_vector(up, col);
  Vector result;
#pragma unroll
  for (int i = 0; i < kVector; ++i) result.v[i] = activate(args.activation, a.v[i]) * b.v[i];
  device::store_vector(device::advance(args.out.data, args.out.dtype, row * args.out.stride),
                       Row{nullptr, args.out.dtype, cols, aligned}, col, result);
}

template <class AnyMatrix>
bool is_aligned(const AnyMatrix& matrix) {
  return device::is_aligned(matrix.data, matrix.dtype, matrix.cols, matrix.stride);
}

}  // namespace

const char* gated_activation_cuda(const GatedActivationArgs& args, void* stream) {
  if (args.gate.rows == 0 || args.gate.cols == 0) return nullptr;
  const std::int64_t vectors_a_row = (args.gate.cols + kVector - 1) / kVector;
  const std::int64_t blocks = (args.gate.rows * vectors_a_row + kThreads - 1) / kThreads;
  const bool aligned = is_aligned(args.gate) && is_aligned(args.up) && is_aligned(args.out);
  gate_vectors<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      args, vectors_a_row, aligned);
  return device::launch_error();
}

}  // namespace lowp::kernels
