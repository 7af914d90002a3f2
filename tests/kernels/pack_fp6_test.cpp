#include "kernels/pack_fp6/pack_fp6.h"

#include <gtest/gtest.h>

#include "formats/packing.h"
#include "guarded.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {
namespace {

TEST(PackFp6, IsTheBitStreamAndComesBack) {
  ThreadPool pool(3);
  for (const std::int64_t cols : {0, 4, 32, 100, 200'000}) {
    Guarded<std::uint8_t> codes(static_cast<std::size_t>(3 * cols));
    for (std::size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<std::uint8_t>(i * 7 % 256);
    Guarded<std::uint8_t> packed(codes.size() / 4 * 3);
    pack_fp6({codes.data(), 3, cols, packed.data(), pool.parallel_for()});
    for (std::size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(bit_stream_code(packed.data(), static_cast<std::int64_t>(i), 6), codes[i] % 64U);
    }
    Guarded<std::uint8_t> back(codes.size());
    unpack_fp6({packed.data(), back.data(), 3, cols, pool.parallel_for()});
    for (std::size_t i = 0; i < codes.size(); ++i) ASSERT_EQ(back[i], codes[i] % 64U);
  }
}

}  // namespace
}  // namespace lowp::kernels
