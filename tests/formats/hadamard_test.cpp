#include "formats/hadamard.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace lowp {
namespace {

// The default signs one by one: (1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1).
constexpr std::array kSigns{1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1};

static_assert([] {
  for (int i = 0; i < kRhtSize; ++i) {
    if ((kRhtDefaultSigns >> i & 1) != (kSigns[i] < 0 ? 1 : 0)) return false;
  }
  return true;
}());

// Sylvester: the sign of entry (row, column) is the parity of the bits that both have.
float entry(int row, int column) { return __builtin_parity(row & column) != 0 ? -1.0F : 1.0F; }

TEST(Hadamard, RowsOfTheMatrix) {
  for (int row = 0; row < 16; ++row) {
    std::array<float, 16> x{};
    x[row] = 4.0F;
    hadamard<16>(x.data());
    std::array<float, 16> rotated{};
    rotated[row] = 4.0F;
    random_hadamard(rotated.data());
    for (int column = 0; column < 16; ++column) {
      EXPECT_EQ(x[column], entry(row, column));
      EXPECT_EQ(rotated[column], entry(row, column) * static_cast<float>(kSigns[row]));
    }
  }
}

template <int kSize>
void expect_identity_when_done_twice() {
  std::array<float, kSize> x{};
  double norm = 0;
  for (int i = 0; i < kSize; ++i) {
    x[i] = std::sin(static_cast<float>(i * i));
    norm += static_cast<double>(x[i]) * x[i];
  }
  std::array<float, kSize> y = x;
  hadamard<kSize>(y.data());
  hadamard<kSize>(y.data());
  // 2 (log2(size) + 1) roundings of numbers that the norm bounds.
  const double bound = 2 * (std::log2(kSize) + 1) * 0x1p-24 * std::sqrt(norm);
  for (int i = 0; i < kSize; ++i) EXPECT_NEAR(y[i], x[i], bound);
}

TEST(Hadamard, TwiceIsTheIdentity) {
  expect_identity_when_done_twice<1>();
  expect_identity_when_done_twice<2>();
  expect_identity_when_done_twice<32>();
  expect_identity_when_done_twice<64>();
  expect_identity_when_done_twice<128>();
  expect_identity_when_done_twice<256>();
}

TEST(Hadamard, RoundsToBf16) {
  std::array<float, 16> x{};
  x[0] = 1.01F;
  random_hadamard(x.data());
  for (float value : x) EXPECT_EQ(value, Bf16::round(0.2525F));
}

}  // namespace
}  // namespace lowp
