// Any block size, alignment and dimension: a thread a block.
#include "formats/mx.h"
#include "formats/swizzle.h"
#include "kernels/quantize_mx/cuda_kernels.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;

// Blocks of the output, whose rows are those of x or its columns.
struct Plain {
  const void* x;
  std::int64_t row_stride;  // elements of x between rows of the output, ...
  std::int64_t col_stride;  // ... and between its columns
  unsigned rows;
  unsigned across;         // blocks in a row, ...
  unsigned padded_across;  // ... with padding
  unsigned blocks;         // of all rows, with padding
  std::int64_t block_size;
  MxScaleMode mode;
  bool swizzled;
  std::uint8_t* codes;
  std::uint8_t* scale;
};

template <class Words>
__device__ float element(const void* x, std::int64_t index) {
  if constexpr (Words::kPerWord == 1) return static_cast<const float*>(x)[index];
  return Words::low(static_cast<const std::uint16_t*>(x)[index]);
}

template <class Words, class Element>
__global__ void __launch_bounds__(kThreads) quantize_blocks_plain(Plain plain) {
  const unsigned block = blockIdx.x * kThreads + threadIdx.x;
  if (block >= plain.blocks) return;
  const unsigned row = block / plain.padded_across;
  const unsigned col = block % plain.padded_across;
  const std::int64_t at = plain.swizzled ? swizzle_offset(row, col, plain.across) : block;
  if (row >= plain.rows || col >= plain.across) {
    plain.scale[at] = 0;
    return;
  }
  const std::int64_t first = col * plain.block_size;
  const auto value = [&](std::int64_t i) {
    return element<Words>(plain.x, row * plain.row_stride + (first + i) * plain.col_stride);
  };
  unsigned amax = 0;
  for (std::int64_t i = 0; i < plain.block_size; ++i) amax = max(amax, abs_bits(value(i)));
  const std::uint8_t scale = mx_scale<Element>(amax, plain.mode);
  const float factor = E8m0::reciprocal(scale);
  plain.scale[at] = scale;

  const auto code = [&](std::int64_t i) -> unsigned {
    return is_nan(factor) ? Element::from_float(kNaN) : mx_quantize<Element>(value(i), factor);
  };
  const std::int64_t out = row * (plain.across * plain.block_size) + first;
  if constexpr (Element::kBits == 4) {
    for (std::int64_t i = 0; i < plain.block_size; i += 2) {
      plain.codes[(out + i) / 2] = static_cast<std::uint8_t>(code(i) | code(i + 1) << 4);
    }
  } else {
    for (std::int64_t i = 0; i < plain.block_size; ++i) {
      plain.codes[out + i] = static_cast<std::uint8_t>(code(i));
    }
  }
}

}  // namespace

void quantize_mx_plain(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  const bool along_rows = args.along_rows.codes != nullptr;
  const MxBlocks& out = along_rows ? args.along_rows : args.along_cols;
  const std::int64_t rows = along_rows ? x.rows : x.cols;
  const std::int64_t across = (along_rows ? x.cols : x.rows) / args.block_size;
  const std::int64_t padded_across = args.swizzled ? round_up(across, kSwizzleTileCols) : across;
  const std::int64_t padded_rows = args.swizzled ? round_up(rows, kSwizzleTileRows) : rows;
  const Plain plain{
      .x = x.data,
      .row_stride = along_rows ? x.stride : 1,
      .col_stride = along_rows ? 1 : x.stride,
      .rows = static_cast<unsigned>(rows),
      .across = static_cast<unsigned>(across),
      .padded_across = static_cast<unsigned>(padded_across),
      .blocks = static_cast<unsigned>(padded_rows * padded_across),
      .block_size = args.block_size,
      .mode = args.mode,
      .swizzled = args.swizzled,
      .codes = out.codes,
      .scale = out.scale,
  };
  const auto groups = static_cast<unsigned>(ceil_div(plain.blocks, kThreads));
  auto* stream = static_cast<cudaStream_t>(args.stream);
  with_words(x.dtype, [&]<class Words>(Words) {
    with_mx_element(args.element, [&]<class Element>(Element) {
      quantize_blocks_plain<Words, Element><<<groups, kThreads, 0, stream>>>(plain);
    });
  });
}

}  // namespace lowp::kernels
