#include "kernels/pack_weight/pack_weight.h"

#include <gtest/gtest.h>

#include <cstring>

#include "guarded.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {
namespace {

TEST(PackWeight, PutsEightRowsSideBySideAndComesBack) {
  ThreadPool pool(3);
  for (const std::int64_t size : {1, 2, 4}) {
    for (const auto& [rows, cols] :
         {std::pair<std::int64_t, std::int64_t>{0, 3}, {8, 0}, {8, 1}, {24, 5}, {640, 301}}) {
      const std::int64_t count = rows * cols;
      Guarded<std::uint8_t> plain(static_cast<std::size_t>(count * size));
      for (std::size_t i = 0; i < plain.size(); ++i)
        plain[i] = static_cast<std::uint8_t>(i * 7 % 251);
      Guarded<std::uint8_t> packed(plain.size());
      pack_weight({plain.data(), rows, cols, size, packed.data(), pool.parallel_for()});
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = i / (8 * cols) * 8 + i % 8, col = i / 8 % cols;
        ASSERT_EQ(std::memcmp(packed.data() + i * size, plain.data() + (row * cols + col) * size,
                              static_cast<std::size_t>(size)),
                  0)
            << rows << " rows, element " << i;
      }
      Guarded<std::uint8_t> back(plain.size());
      unpack_weight({packed.data(), rows, cols, size, back.data(), pool.parallel_for()});
      ASSERT_EQ(back, plain);
    }
  }
}

}  // namespace
}  // namespace lowp::kernels
