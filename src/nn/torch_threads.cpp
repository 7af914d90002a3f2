#include "nn/torch_threads.h"

#include <torch/csrc/stable/ops.h>

namespace lowp {
namespace {

// Not at::parallel_for: its loop is in the header, and runs on one thread unless this library is
// compiled for OpenMP, which would bring a second OpenMP runtime beside torch's own.
constexpr kernels::ParallelFor kTorchThreads{
    nullptr,
    [](void*, std::int64_t count, std::int64_t grain,
       void (*body)(void* body_context, std::int64_t begin, std::int64_t end), void* body_context) {
      torch::stable::parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
        body(body_context, begin, end);
      });
    },
    [](void*) { return static_cast<int>(torch::stable::get_num_threads()); }};

}  // namespace

const kernels::ParallelFor* torch_threads() { return &kTorchThreads; }

}  // namespace lowp
