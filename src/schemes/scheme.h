// The quantization schemes by the names that compressed-tensors gives them: what a scheme does to a
// weight and to the activations. Torch-free: the command, the C++ API and the checkpoint writer all
// read this one table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/dtype.h"
#include "formats/mapping.h"

namespace lowp {

enum class WeightFormat : std::uint8_t {
  kInt8,
  kInt4,
  kFp8,
  kMxfp8,
  kMxfp6E2m3,
  kMxfp6E3m2,
  kMxfp4,
  kNvfp4,
  kIntx
};

constexpr bool is_mxfp6(WeightFormat format) {
  return format == WeightFormat::kMxfp6E2m3 || format == WeightFormat::kMxfp6E3m2;
}
constexpr bool is_mx(WeightFormat format) {
  return format == WeightFormat::kMxfp8 || is_mxfp6(format) || format == WeightFormat::kMxfp4;
}
// Of an MX format.
constexpr DType mx_element(WeightFormat format) {
  if (format == WeightFormat::kMxfp8) return DType::kF8E4M3;
  if (format == WeightFormat::kMxfp4) return DType::kF4;
  return format == WeightFormat::kMxfp6E2m3 ? DType::kF6E2M3 : DType::kF6E3M2;
}

// Which values share a scale.
enum class Granularity : std::uint8_t { kTensor, kRow, kGroup, kBlock128 };

// What happens to the activations before the product. All are dynamic.
enum class ActivationFormat : std::uint8_t {
  kNone,
  kInt8Row,
  kFp8Tensor,
  kFp8Row,
  kFp8Group128,
  kMxfp8
};

struct Scheme {
  std::string_view name;  // "W4A16"
  WeightFormat weight;
  int bits;  // of a stored value of the weight
  Granularity granularity;
  std::int64_t group_size;  // along K; 0 unless granularity is kGroup
  Mapping mapping;          // of the integer formats
  ActivationFormat activation;
  std::string_view summary;  // one line for --help
};

// W8A8, W8A16, W4A16, W4A16_ASYM, W4A16_FLOAT_ZERO, W4A8, W4A8_ASYM, W4AFP8, FP8, FP8_DYNAMIC,
// FP8_BLOCK, FP8_WEIGHT_ONLY, MXFP8, MXFP8A16, MXFP6, MXFP6_E3M2, MXFP4, NVFP4; WnA16, WnA16_ASYM,
// WnA8, WnA8_ASYM with n of 1, 2, 3, 5, 6, 7.
std::span<const Scheme> schemes();

// Throws lowp::Error that lists the known names and the nearest one.
const Scheme& scheme_from_name(std::string_view name);

// A scheme with another group: those of weights of 1 to 7 bits and W8A16 (per row by default) take
// one; 0 is the scheme's own. Throws lowp::Error if the scheme's group is fixed or the size is not
// positive and even, of weights that are not of 4 or 8 bits a multiple of 8.
Scheme with_group_size(const Scheme& scheme, std::int64_t group_size);

// "NAME" or "NAME:GROUP", as the command line and the tests write it: "W4A16:64".
Scheme scheme_from_text(std::string_view text);

// Empty if the scheme fits a weight of (n, k), otherwise why not, with the group sizes that fit.
std::string why_not(const Scheme& scheme, std::int64_t n, std::int64_t k);

}  // namespace lowp
