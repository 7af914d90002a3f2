#include "kernels/gated_activation/gated_activation.h"

#include "decoder_testing.h"

namespace lowp::kernels {
namespace {

using GatedActivation = DecoderOperation<GatedActivationArgs>;

// torch's definitions.
double activate(GateActivation activation, double x) {
  if (activation == GateActivation::kSilu) return x / (1.0 + std::exp(-x));
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

TEST_P(GatedActivation, EqualsTheFormula) {
  for (const GateActivation activation : {GateActivation::kSilu, GateActivation::kGeluTanh}) {
    for (std::int64_t cols : {1, 16, 31, 200}) {
      Buffer gate(dtype(), 3, cols, 7), up(dtype(), 3, cols), out(dtype(), 3, cols, 2);
      gate.fill_normal(1, 3.0F);
      up.fill_normal(2);
      run({gate.matrix(), up.matrix(), out.mutable_matrix(), activation, nullptr},
          gated_activation_implementations());
      for (std::int64_t row = 0; row < 3; ++row) {
        for (std::int64_t i = 0; i < cols; ++i) {
          const double x = gate.at(row, i);
          const double expected = activate(activation, x) * up.at(row, i);
          // The exponent of e^-slope carries the roundings of slope.
          const double relative = epsilon(dtype()) + (16.0 + 4.0 * std::fabs(x * x * x)) * 0x1p-24;
          EXPECT_NEAR(out.at(row, i), expected, relative * std::fabs(expected) + 0x1p-25)
              << "gate " << x << " column " << i;
        }
      }
      EXPECT_TRUE(out.padding_is_untouched());
    }
  }
}

TEST_P(GatedActivation, LimitsAreThoseOfTheFormula) {
  Buffer gate(DType::kF32, 1, 4), up(DType::kF32, 1, 4), out(DType::kF32, 1, 4);
  const float inputs[] = {1e30F, -1e30F, 0.0F, NAN};
  for (int i = 0; i < 4; ++i) {
    gate.set(0, i, inputs[i]);
    up.set(0, i, 1.0F);
  }
  for (const GateActivation activation : {GateActivation::kSilu, GateActivation::kGeluTanh}) {
    run({gate.matrix(), up.matrix(), out.mutable_matrix(), activation, nullptr},
        gated_activation_implementations());
    EXPECT_EQ(out.at(0, 0), 1e30F);
    EXPECT_NEAR(out.at(0, 1), 0.0F, 1e-8F);
    EXPECT_EQ(out.at(0, 2), 0.0F);
    EXPECT_TRUE(std::isnan(out.at(0, 3)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GatedActivation,
    testing::Combine(testing::ValuesIn(gated_activation_implementations().begin(),
                                       gated_activation_implementations().end()),
                     testing::ValuesIn(kFloats)),
    [](const auto& info) { return test_name(info); });

}  // namespace
}  // namespace lowp::kernels
