#include "ops/torch_pool.h"

#include <torch/csrc/stable/ops.h>

namespace lowp::ops {
namespace {

void run(void*, std::int64_t count, std::int64_t grain,
         void (*body)(void* body_context, std::int64_t begin, std::int64_t end),
         void* body_context) {
  torch::stable::parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
    body(body_context, begin, end);
  });
}

constexpr kernels::ParallelFor kTorchPool{
    nullptr, run, [](void*) { return static_cast<int>(torch::stable::get_num_threads()); }};

}  // namespace

const kernels::ParallelFor* torch_pool() { return &kTorchPool; }

}  // namespace lowp::ops
