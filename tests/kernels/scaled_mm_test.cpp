#include "kernels/scaled_mm/scaled_mm.h"

#include "formats/e4m3.h"
#include "linear_testing.h"

namespace lowp::kernels {
namespace {

// One operand: codes (rows, K) e4m3 and the scales of its recipe, row by row.
struct Side {
  ScaleRecipe recipe;
  std::int64_t rows;
  std::int64_t k;
  std::vector<std::uint8_t> codes;
  std::vector<float> scale;

  Side(ScaleRecipe recipe, std::int64_t rows, std::int64_t k, Random& random, bool exact)
      : recipe(recipe),
        rows(rows),
        k(k),
        codes(static_cast<std::size_t>(rows * k)),
        scale(static_cast<std::size_t>(scale_rows() * blocks())) {
    for (auto& code : codes) code = random.e4m3_code(exact);
    for (float& value : scale) value = random.scale(exact);
  }

  bool in_blocks() const {
    return recipe == ScaleRecipe::k1x128 || recipe == ScaleRecipe::k128x128;
  }
  std::int64_t rows_a_scale() const {
    if (recipe == ScaleRecipe::kTensor) return std::max<std::int64_t>(rows, 1);
    return recipe == ScaleRecipe::k128x128 ? 128 : 1;
  }
  std::int64_t scale_rows() const { return round_up(rows, rows_a_scale()) / rows_a_scale(); }
  std::int64_t blocks() const { return in_blocks() ? round_up(k, 128) / 128 : 1; }

  double value(std::int64_t row, std::int64_t i) const {
    const std::int64_t block = in_blocks() ? i / 128 : 0;
    const auto at = static_cast<std::size_t>(row / rows_a_scale() * blocks() + block);
    return double{scale[at]} * E4m3::to_float(codes[static_cast<std::size_t>(row * k + i)]);
  }

  ScaledOperand operand() const {
    return {codes.data(), DType::kF8E4M3, k, 0, recipe, scale.data(), blocks(), 1, 0,
            false,        nullptr};
  }
};

struct Recipes {
  ScaleRecipe a;
  ScaleRecipe b;
};

struct Problem {
  Operands operands;
  Side a;
  Side b;
  Guarded<std::uint8_t> workspace;

  Problem(Shape shape, Options options, Recipes recipes)
      : operands(shape, unpadded(options)),
        a(recipes.a, shape.m, shape.k, operands.random, options.small_integers),
        b(recipes.b, shape.n, shape.k, operands.random, options.small_integers) {}

  static Options unpadded(Options options) {
    options.padding = 0;
    return options;
  }

  ScaledMmArgs args() {
    const auto [m, n, k] = operands.shape;
    ScaledMmArgs args{};
    args.a = a.operand();
    args.b = b.operand();
    args.batch = 1;
    args.m = m;
    args.n = n;
    args.k = k;
    args.bias = operands.bias_data();
    args.bias_dtype = DType::kF32;
    args.out = operands.out.mutable_view().data;
    args.out_dtype = operands.options.out;
    workspace = Guarded<std::uint8_t>(static_cast<std::size_t>(scaled_mm_workspace(args)));
    args.workspace = workspace.data();
    return args;
  }
  double x_value(std::int64_t m, std::int64_t k) const { return a.value(m, k); }
  double weight_value(std::int64_t n, std::int64_t k) const { return b.value(n, k); }
  double weight_magnitude(std::int64_t n, std::int64_t k) const {
    return std::fabs(weight_value(n, k));
  }
};

constexpr Recipes kPairs[] = {{ScaleRecipe::kTensor, ScaleRecipe::kTensor},
                              {ScaleRecipe::kRow, ScaleRecipe::kRow},
                              {ScaleRecipe::k1x128, ScaleRecipe::k128x128},
                              {ScaleRecipe::k1x128, ScaleRecipe::k1x128},
                              {ScaleRecipe::k128x128, ScaleRecipe::k1x128}};

const std::vector<Shape> kShapes{{1, 1, 1},    {1, 33, 100},   {3, 50, 97},
                                 {4, 17, 576}, {13, 140, 300}, {140, 5, 260}};

TEST(ScaledMm, EveryImplementationIsTheProductUpToRounding) {
  for (const auto& implementation : scaled_mm_implementations()) {
    int ran = 0;
    for (const Recipes recipes : kPairs) {
      const auto make = [&](Shape shape, Options options) {
        return Problem(shape, options, recipes);
      };
      for (const Shape& shape : kShapes) {
        for (const bool exact : {false, true}) {
          auto problem = make(shape, {.out = DType::kF32, .bias = exact, .small_integers = exact});
          if (!run_problem(implementation, problem)) continue;
          expect_product(problem);
          ++ran;
        }
      }
    }
    const std::string name = implementation.name;
    EXPECT_EQ(ran > 0, name == "linear_fp8" || name == "reference") << name;
  }
}

TEST(ScaledMm, ReferenceTakesEveryPair) {
  for (const Recipes recipes : kPairs) {
    const auto make = [&](Shape shape, Options options) {
      return Problem(shape, options, recipes);
    };
    test_products(scaled_mm_implementations().back(), kShapes, make);
    test_threads(scaled_mm_implementations().back(), {{37, 70, 256}}, make);
  }
}

}  // namespace
}  // namespace lowp::kernels
