#include "kernels/quantize_common/cuda_affine.h"
#include "kernels/quantize_common/cuda_two_pass.h"
#include "kernels/quantize_int8/cuda.h"

namespace lowp::kernels {
namespace {

// Calls run(T{}, scheme) with the type of x's elements and the scheme of these arguments.
// Symmetric scales need the amax alone.
template <class Run>
void with_scheme(const QuantizeInt8Args& args, const Run& run) {
  with_element(args.x.dtype, [&]<class T>(T element) {
    if (args.mapping == Mapping::kSymmetric) {
      run(element, AffineScheme<Amax, 8>(args));
    } else {
      run(element, AffineScheme<Extremes<T>, 8>(args));
    }
  });
}

}  // namespace

std::int64_t quantize_int8_cuda_workspace(const QuantizeInt8Args& args) {
  std::int64_t bytes = 0;
  with_scheme(args, [&]<class Scheme>(auto, const Scheme&) {
    bytes = quantize_workspace<typename Scheme::Found>(args.x.rows, args.x.cols, args.block);
  });
  return bytes;
}

const char* quantize_int8_cuda(const QuantizeInt8Args& args, void* workspace, void* stream) {
  with_scheme(args, [&]<class T>(T, const auto& scheme) {
    quantize_matrix<T>(scheme, args.x, args.block, args.codes, workspace,
                       static_cast<cudaStream_t>(stream));
  });
  return launch_error();
}

}  // namespace lowp::kernels
