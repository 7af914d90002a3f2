#include "kernels/decode_advance/cuda.h"
#include "kernels/runtime/cuda_elements_inl.cuh"
#include "kernels/runtime/cuda_top_inl.cuh"

namespace lowp::kernels {
namespace {

using device::Row;

constexpr int kThreads = device::kMaxThreads;

// One block: 128 K logits of bf16 are 16 vectors a thread.
__global__ void __launch_bounds__(kThreads)
    advance_state(const DecodeAdvanceArgs args, bool aligned) {
  using namespace decode_state;
  const Row row{args.logits.data, args.logits.dtype, args.logits.cols, aligned};
  bool saw_nan = false;
  const device::Top top = device::block_top(row, kThreads, saw_nan);
  const bool has_nan = __syncthreads_or(saw_nan ? 1 : 0) != 0;
  if (threadIdx.x != 0) return;
  const std::int64_t end = args.state[kPosition] + 2;
  args.state[kChosen] = has_nan ? -1 : top.index;
  args.state[kToken] = has_nan ? 0 : top.index;
  args.state[kPosition] = end - 1;
  args.state[kKeys + 1] = end;
  args.state[kSlidingKeys] =
      args.sliding_window > 0 && end > args.sliding_window ? end - args.sliding_window : 0;
  args.state[kSlidingKeys + 1] = end;
}

}  // namespace

const char* decode_advance_cuda(const DecodeAdvanceArgs& args, void* stream) {
  const Matrix& logits = args.logits;
  const bool aligned = device::is_aligned(logits.data, logits.dtype, logits.cols, logits.stride);
  advance_state<<<1, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args, aligned);
  return device::launch_error();
}

}  // namespace lowp::kernels
