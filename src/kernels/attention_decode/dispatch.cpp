#include <array>

#include "kernels/attention_decode/implementations.h"

namespace lowp::kernels {
namespace {

const char* never(const AttentionDecodeArgs&) { return nullptr; }

const char* refuse_odd_heads(const AttentionDecodeArgs& args) {
  if (args.q.cols % 16 != 0) return "head_dim is not a multiple of 16";
  if (args.q.cols > kLargestHeadDim) return "head_dim above 256";
  return nullptr;
}

constexpr std::array<Implementation<AttentionDecodeArgs>, 3> kList{{
    {"avx512", Isa::kAvx512, refuse_odd_heads, attention_decode_avx512},
    {"avx2", Isa::kAvx2, refuse_odd_heads, attention_decode_avx2},
    {"reference", Isa::kScalar, never, attention_decode_reference},
}};

}  // namespace

std::span<const Implementation<AttentionDecodeArgs>> attention_decode_implementations() {
  return kList;
}

void attention_decode(const AttentionDecodeArgs& args) {
  choose("attention_decode", attention_decode_implementations(), args).run(args);
}

}  // namespace lowp::kernels
