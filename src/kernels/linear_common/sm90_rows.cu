#include "kernels/linear_common/sm90_rows.h"
#include "kernels/linear_common/sm90_rows_formats.h"

namespace lowp::kernels {

const char* linear_rows_sm90(const CudaLinearArgs& args) {
  if (args.m == 0 || args.weight.n == 0) return nullptr;
  switch (args.weight.format) {
    case CudaWeightFormat::kInt4:
      return rows::linear_int4(args);
    case CudaWeightFormat::kInt8:
      return rows::linear_int8(args);
    case CudaWeightFormat::kFp8:
      return rows::linear_fp8(args);
    case CudaWeightFormat::kMxfp8:
      return rows::linear_mxfp8(args);
    case CudaWeightFormat::kMxfp4:
      return rows::linear_mxfp4(args);
    case CudaWeightFormat::kNvfp4:
      return rows::linear_nvfp4(args);
  }
  return "an unknown format";
}

}  // namespace lowp::kernels
