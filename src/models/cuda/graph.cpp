// CUDA graphs for models/decode_graph.cpp. liblowp_cuda.so, where this is, needs CUDA's headers and
// libraries; the functions are found by name.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>

#define LOWP_EXPORT extern "C" __attribute__((visibility("default")))

// Records what launch(context) sends to the current stream, without running it. Memory that it
// takes belongs to the graph. Other threads may go on using the GPU meanwhile.
LOWP_EXPORT void* lowp_cuda_graph_record(void (*launch)(void* context), void* context) {
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  c10::cuda::device_synchronize();
  {
    const c10::cuda::CUDAStreamGuard side(c10::cuda::getStreamFromPool());
    graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    launch(context);
    graph->capture_end();
  }
  return graph.release();
}

LOWP_EXPORT void lowp_cuda_graph_replay(void* graph) {
  static_cast<at::cuda::CUDAGraph*>(graph)->replay();
}

// Waits for replays on their way.
LOWP_EXPORT void lowp_cuda_graph_free(void* graph) {
  c10::cuda::device_synchronize();
  delete static_cast<at::cuda::CUDAGraph*>(graph);
}
