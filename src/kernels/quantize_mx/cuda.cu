#include "formats/swizzle.h"
#include "kernels/quantize_mx/cuda.h"
#include "kernels/quantize_mx/cuda_kernels.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

// Blocks are numbered with 32 bits, padding included.
bool countable(std::int64_t outer, std::int64_t blocks) {
  return swizzled_bytes(outer, blocks) < INT32_MAX;
}

}  // namespace

const char* quantize_mx_cuda(const QuantizeMxCudaArgs& args) {
  if (args.x.rows == 0 || args.x.cols == 0) return nullptr;
  if (!countable(args.x.rows, args.x.cols / args.block_size + 1) ||
      !countable(args.x.cols, args.x.rows / args.block_size + 1)) {
    return "more than 2^31 blocks";
  }
  const bool rows = args.along_rows.codes != nullptr;
  const bool cols = args.along_cols.codes != nullptr;
  // Tiles write swizzled scales in whole lines; plain ones are whole lines to the kernel of rows.
  const bool by_rows = rows && !cols && takes_mx_rows(args);
  if (takes_mx_tiles(args) && !(by_rows && !args.swizzled)) {
    quantize_mx_tiles(args);
  } else if (by_rows) {
    quantize_mx_rows(args);
  } else {
    QuantizeMxCudaArgs one = args;
    one.along_cols.codes = nullptr;
    if (rows) quantize_mx_plain(one);
    one = args;
    one.along_rows.codes = nullptr;
    if (cols) quantize_mx_plain(one);
  }
  return last_launch_error();
}

}  // namespace lowp::kernels
