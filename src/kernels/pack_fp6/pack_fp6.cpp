#include "kernels/pack_fp6/pack_fp6.h"

#include <cstring>

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
    std::uint32_t four;
    std::memcpy(&four, args.codes + 4 * i, 4);
    four = (four & 0x003F003F) | (four & 0x3F003F00) >> 2;
    four = (four & 0x00000FFF) | (four & 0x0FFF0000) >> 4;
    std::memcpy(args.packed + 3 * i, &four, 3);
  });
}

void unpack_fp6(const UnpackFp6Args& args) {
  for_each_four(args.parallel, args.rows * args.cols, [&](std::int64_t i) {
    std::uint32_t four = 0;
    std::memcpy(&four, args.packed + 3 * i, 3);
    four = (four & 0x00000FFF) | (four & 0x00FFF000) << 4;
    four = (four & 0x003F003F) | (four & 0x0FC00FC0) << 2;
    std::memcpy(args.codes + 4 * i, &four, 4);
  });
}

}  // namespace lowp::kernels
