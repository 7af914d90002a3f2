// The tests of linear_testing.h on packed weights, which AVX2 and the reference take.
#pragma once

#include "kernels/pack_weight/pack_weight.h"
#include "linear_testing.h"

namespace lowp::kernels {

// A Problem whose weight and scales, at kScale of the arguments, one for kBlock columns, are packed
// when its arguments are asked for. It has as many rows of the weight as make 8.
template <class Problem, auto kScale, std::int64_t kBlock>
struct Packed : Problem {
  Guarded<std::uint8_t> packed_weight;
  Guarded<std::uint8_t> packed_scale;

  Packed(Shape shape, Options options)
      : Problem({shape.m, (shape.n + 7) / 8 * 8, shape.k}, options),
        packed_weight(this->weight.size()),
        packed_scale(static_cast<std::size_t>(this->operands.shape.n * shape.k / kBlock)) {}

  auto args() {
    auto args = Problem::args();
    const auto [m, n, k] = this->operands.shape;
    pack_weight({this->weight.data(), n, k / 8, 4, packed_weight.data(), nullptr});
    pack_weight({args.*kScale, n, k / kBlock, 1, packed_scale.data(), nullptr});
    args.weight = packed_weight.data();
    args.*kScale = packed_scale.data();
    args.packed = true;
    return args;
  }
};

// More than four rows of x have the very bits that they have with a plain weight.
template <class Args, class Plain, class MakePacked>
void test_same_bits(const Implementation<Args>& implementation, const Plain& make,
                    const MakePacked& make_packed) {
  for (const Shape shape : {Shape{5, 48, 96}, {37, 104, 1184}}) {
    auto plain = make(shape, Options{.x = DType::kBF16});
    auto packed = make_packed(shape, Options{.x = DType::kBF16});
    ASSERT_TRUE(run_problem(implementation, plain));
    ASSERT_TRUE(run_problem(implementation, packed));
    EXPECT_EQ(outputs(plain.operands), outputs(packed.operands)) << shape.m;
  }
}

}  // namespace lowp::kernels
