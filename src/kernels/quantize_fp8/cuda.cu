#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_fp8/cuda.h"
#include "kernels/quantize_fp8/cuda_scheme.h"

namespace lowp::kernels {

std::int64_t quantize_fp8_cuda_workspace(const QuantizeFp8Args& args) {
  if (args.static_scale != nullptr) return 0;
  return quantize_workspace<Amax>(args.x.rows, args.x.cols, args.block);
}

const char* quantize_fp8_cuda(const QuantizeFp8Args& args, void* workspace, void* stream) {
  auto* cuda_stream = static_cast<cudaStream_t>(stream);
  with_fp8_scheme(args, [&](const auto& scheme) {
    with_element(args.x.dtype, [&]<class T>(T) {
      quantize_matrix<T>(scheme, args.x, args.block, args.codes, workspace, cuda_stream);
    });
  });
  return launch_error();
}

}  // namespace lowp::kernels
