// Blocks of 32 along rows. Four lanes a block, eight elements each; a lane has four loads in flight
// and makes the scale of one of the four blocks that it has a part of.
#include "formats/mx.h"
#include "formats/swizzle.h"
#include "kernels/quantize_mx/cuda_kernels.h"
#include "kernels/runtime/cuda_octets.h"

namespace lowp::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kLanes = 4;        // of a block
constexpr unsigned kSteps = 4;        // octets of a lane
constexpr unsigned kWarpBlocks = 32;  // kSteps * 32 / kLanes
constexpr unsigned kGroupBlocks = kThreads / 32 * kWarpBlocks;

// Blocks are numbered row by row, with those of the swizzled layout's padding.
struct Rows {
  const std::uint8_t* x;
  std::int64_t row_bytes;  // between rows of x
  unsigned rows;
  unsigned across;         // blocks in a row, ...
  unsigned padded_across;  // ... with padding
  unsigned blocks;         // of all rows, with padding
  MxScaleRule rule;
  bool swizzled;
  std::uint8_t* codes;
  std::uint8_t* scale;
};

// kFlat: rows without gaps and scales without padding, so that a block's number says where it is.
template <class Words, class Element, bool kFlat>
__global__ void __launch_bounds__(kThreads) quantize_rows(Rows rows) {
  constexpr unsigned kOctetBytes = kOctet * 4 / Words::kPerWord;
  const unsigned lane = threadIdx.x % 32;
  const unsigned part = lane % kLanes;
  const unsigned first = (blockIdx.x * (kThreads / 32) + threadIdx.x / 32) * kWarpBlocks;

  // The block whose scale this lane makes is that of its step `part`.
  const unsigned own = first + part * (kWarpBlocks / kSteps) + lane / kLanes;
  const unsigned own_row = kFlat ? 0 : own / rows.padded_across;

  Octet<Words> octets[kSteps];
  unsigned number[kSteps];  // among the blocks of x; ~0 for padding
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned block = first + i * (kWarpBlocks / kSteps) + lane / kLanes;
    const unsigned row = kFlat ? 0 : __shfl_sync(kAllLanes, own_row, static_cast<int>(i), kLanes);
    const unsigned col = kFlat ? block : block - row * rows.padded_across;
    const bool inside = kFlat ? block < rows.blocks : row < rows.rows && col < rows.across;
    number[i] = !inside ? ~0U : kFlat ? block : row * rows.across + col;
    const std::uint8_t* from = rows.x + (kFlat ? 0 : row * rows.row_bytes) +
                               (static_cast<std::int64_t>(col) * kLanes + part) * kOctetBytes;
    octets[i] = inside ? Octet<Words>::load(from) : Octet<Words>::zero();
  }

  unsigned amax[kSteps];
#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) amax[i] = octets[i].amax();
  max_over_four_lanes<Words>(amax, lane, 2, 1);
  const std::uint8_t own_scale = mx_scale<Element>(max_in_word<Words>(amax[0]), rows.rule);
  const unsigned own_factors = bf16_reciprocal(own_scale) * 0x10001U;
  if (own < rows.blocks) {
    const unsigned own_col = own - own_row * rows.padded_across;
    rows.scale[rows.swizzled ? swizzle_offset(own_row, own_col, rows.across) : own] = own_scale;
  }

#pragma unroll
  for (unsigned i = 0; i < kSteps; ++i) {
    const unsigned factors = __shfl_sync(kAllLanes, own_factors, static_cast<int>(i), kLanes);
    const auto codes = encode_octet<Element>(octets[i], factors);
    if (number[i] != ~0U) {
      const std::int64_t octet = static_cast<std::int64_t>(number[i]) * kLanes + part;
      reinterpret_cast<typename OctetCodes<Element>::Type*>(rows.codes)[octet] = codes;
    }
  }
}

}  // namespace

bool takes_mx_rows(const QuantizeMxCudaArgs& args) {
  const auto size = std::int64_t{bits(args.x.dtype) / 8};
  return args.block_size == kMxBlock && args.x.stride * size % 16 == 0 &&
         is_aligned(args.x.data, 16) && is_aligned(args.along_rows.codes, 8);
}

void quantize_mx_rows(const QuantizeMxCudaArgs& args) {
  const Matrix& x = args.x;
  const auto across = static_cast<unsigned>(x.cols / kMxBlock);
  const auto padded_rows =
      static_cast<unsigned>(args.swizzled ? round_up(x.rows, kSwizzleTileRows) : x.rows);
  const auto padded_across =
      static_cast<unsigned>(args.swizzled ? round_up(across, kSwizzleTileCols) : across);
  Rows rows{
      .x = static_cast<const std::uint8_t*>(x.data),
      .row_bytes = x.stride * (bits(x.dtype) / 8),
      .rows = static_cast<unsigned>(x.rows),
      .across = across,
      .padded_across = padded_across,
      .blocks = padded_rows * padded_across,
      .rule = {},
      .swizzled = args.swizzled,
      .codes = args.along_rows.codes,
      .scale = args.along_rows.scale,
  };
  const bool flat = x.stride == x.cols && !args.swizzled;
  const auto groups = static_cast<unsigned>(ceil_div(rows.blocks, kGroupBlocks));
  auto* stream = static_cast<cudaStream_t>(args.stream);
  with_words(x.dtype, [&]<class Words>(Words) {
    with_mx_element(args.element, [&]<class Element>(Element) {
      rows.rule = mx_scale_rule<Element>(args.mode);
      if (flat) {
        quantize_rows<Words, Element, true><<<groups, kThreads, 0, stream>>>(rows);
      } else {
        quantize_rows<Words, Element, false><<<groups, kThreads, 0, stream>>>(rows);
      }
    });
  });
}

}  // namespace lowp::kernels
