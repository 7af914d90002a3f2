#include "kernels/pack_fp6/pack_fp6.h"

#include "kernels/runtime/bit_stream_inl.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kWorthAThread = 1 << 15;  // groups of four

template <class Move>
void for_each_four(const ParallelFor* parallel, std::int64_t codes, const Move& move) {
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) move(i);
  };
  parallel_for(parallel, codes / 4, kWorthAThread, body);
}

}  // namespace

void pack_fp6(const PackFp6Args& args) {
  for_each_four(args.parallel, args.rows * args.cols, [&](std::int64_t i) {
    std::uint64_t four = 0;
    std::memcpy(&four, args.codes + 4 * i, 4);
    four = join_fields<12, 16>(join_fields<6, 8>(four));
    std::memcpy(args.packed + 3 * i, &four, 3);
  });
}

void unpack_fp6(const UnpackFp6Args& args) {
  for_each_four(args.parallel, args.rows * args.cols, [&](std::int64_t i) {
    std::uint64_t four = 0;
    std::memcpy(&four, args.packed + 3 * i, 3);
    four = split_fields<6, 8>(split_fields<12, 16>(four));
    std::memcpy(args.codes + 4 * i, &four, 4);
  });
}

}  // namespace lowp::kernels
