#include "kernels/grouped_linear/grouped_linear.h"

#include <numeric>

#include "linear_testing.h"

namespace lowp::kernels {
namespace {

// bf16 weights of several experts, and the call for each of them.
struct Problem {
  Shape shape;  // m: all rows of x
  std::vector<std::int32_t> ends;
  Operands operands;
  Guarded<std::uint16_t> weight;
  Guarded<float> bias;

  Problem(std::vector<std::int32_t> sizes, std::int64_t behind, std::int64_t n, std::int64_t k,
          Options options)
      : shape{std::accumulate(sizes.begin(), sizes.end(), behind), n, k},
        ends(sizes.size()),
        operands(shape, options),
        weight(sizes.size() * static_cast<std::size_t>(n * k)),
        bias(sizes.size() * static_cast<std::size_t>(n)) {
    std::partial_sum(sizes.begin(), sizes.end(), ends.begin());
    for (auto& code : weight) code = Bf16::from_float(operands.random.normal());
    for (float& value : bias) value = operands.random.normal();
  }

  RowGroups groups() const { return {ends.data(), static_cast<std::int64_t>(ends.size())}; }

  LinearBf16Args args(const ParallelFor* parallel) {
    return {operands.x.view(), weight.data(), bias.data(), operands.out.mutable_view(), parallel};
  }

  std::vector<float> expert_by_expert() const {
    TestMatrix out(operands.options.out, shape.m, shape.n, 0);
    for (std::int64_t row = 0; row < shape.m; ++row) {
      for (std::int64_t n = 0; n < shape.n; ++n) out.set(row, n, 0.0F);
    }
    std::int64_t begin = 0;
    for (std::size_t expert = 0; expert < ends.size(); ++expert) {
      Matrix x = operands.x.view();
      MutableMatrix y = out.mutable_view();
      x.rows = y.rows = ends[expert] - begin;
      x.data = static_cast<const char*>(x.data) + begin * x.stride * bits(x.dtype) / 8;
      y.data = static_cast<char*>(y.data) + begin * y.stride * bits(y.dtype) / 8;
      const auto at = static_cast<std::size_t>(shape.n);
      linear_bf16({x, weight.data() + expert * at * static_cast<std::size_t>(shape.k),
                   bias.data() + expert * at, y, nullptr});
      begin = ends[expert];
    }
    std::vector<float> values;
    for (std::int64_t row = 0; row < shape.m; ++row) {
      for (std::int64_t n = 0; n < shape.n; ++n) values.push_back(out.get(row, n));
    }
    return values;
  }
};

const std::vector<std::vector<std::int32_t>> kSizes{
    {1}, {0, 0}, {3, 0, 1, 0, 8}, {300, 1, 0, 17}, {0, 0, 64}, std::vector<std::int32_t>(40, 2)};

TEST(GroupedLinear, IsEachExpertByItself) {
  for (const auto& sizes : kSizes) {
    for (const std::int64_t n : {1, 128, 200, 515}) {
      for (const DType x : {DType::kF32, DType::kBF16}) {
        for (const int threads : {1, 2, 7}) {
          ThreadPool pool(threads);
          Problem problem(sizes, 3, n, 72, {.x = x, .out = DType::kBF16, .padding = 5});
          grouped_linear(problem.args(pool.parallel_for()), problem.groups());
          ASSERT_EQ(outputs(problem.operands), problem.expert_by_expert())
              << sizes.size() << " experts, n " << n << ", threads " << threads;
          ASSERT_TRUE(problem.operands.out.padding_is_intact());
        }
      }
    }
  }
}

TEST(GroupedLinear, NoRowsGiveNothing) {
  Problem problem({0, 0}, 0, 16, 32, {});
  grouped_linear(problem.args(nullptr), problem.groups());
  EXPECT_TRUE(problem.operands.out.padding_is_intact());
}

}  // namespace
}  // namespace lowp::kernels
