#include "nn/torch_threads.h"

#include <ATen/Parallel.h>

namespace lowp {
namespace {

constexpr kernels::ParallelFor kTorchThreads{
    nullptr,
    [](void*, std::int64_t count, std::int64_t grain,
       void (*body)(void* body_context, std::int64_t begin, std::int64_t end), void* body_context) {
      at::parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
        body(body_context, begin, end);
      });
    }};

}  // namespace

const kernels::ParallelFor* torch_threads() { return &kTorchThreads; }

}  // namespace lowp
