#include "schemes/scheme.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <vector>

#include "lowp/error.h"

namespace lowp {
namespace {

using enum WeightFormat;
using G = Granularity;
using A = ActivationFormat;

constexpr Scheme intx(std::string_view name, int bits) {
  const bool asymmetric = name.ends_with("_ASYM");
  const bool int8 = name.substr(2, 2) == "A8";
  std::string_view summary = "n-bit integer weights per group, symmetric; n 1, 2, 3, 5, 6, 7";
  if (int8) summary = "the same, int8 activations per token";
  if (asymmetric) summary = "n-bit integer weights per group, integer zero point";
  if (asymmetric && int8) summary = "the same, int8 activations per token";
  return {name,
          kIntx,
          bits,
          G::kGroup,
          128,
          asymmetric ? Mapping::kAsymmetric : Mapping::kSymmetric,
          int8 ? A::kInt8Row : A::kNone,
          summary};
}

// numerics 3.3, 4.1, 5, 6; the names are compressed-tensors' presets where it has one.
constexpr std::array kSchemes{
    Scheme{"W8A8", kInt8, 8, G::kRow, 0, Mapping::kSymmetric, A::kInt8Row,
           "int8 weights per row, int8 activations per token"},
    Scheme{"W8A16", kInt8, 8, G::kRow, 0, Mapping::kSymmetric, A::kNone, "int8 weights per row"},
    Scheme{"W4A16", kInt4, 4, G::kGroup, 128, Mapping::kSymmetric, A::kNone,
           "int4 weights per group, symmetric"},
    Scheme{"W4A16_ASYM", kInt4, 4, G::kGroup, 128, Mapping::kAsymmetric, A::kNone,
           "int4 weights per group, integer zero point"},
    Scheme{"W4A16_FLOAT_ZERO", kInt4, 4, G::kGroup, 128, Mapping::kFloatZero, A::kNone,
           "int4 weights per group, float zero; in memory only"},
    Scheme{"W4A8", kInt4, 4, G::kGroup, 128, Mapping::kSymmetric, A::kInt8Row,
           "int4 weights per group, symmetric, int8 activations per token"},
    Scheme{"W4A8_ASYM", kInt4, 4, G::kGroup, 128, Mapping::kAsymmetric, A::kInt8Row,
           "int4 weights per group, integer zero point, int8 activations per token"},
    Scheme{"W4AFP8", kInt4, 4, G::kGroup, 128, Mapping::kSymmetric, A::kFp8Row,
           "int4 weights per group, symmetric, float8 activations per token"},
    Scheme{"FP8", kFp8, 8, G::kTensor, 0, Mapping::kSymmetric, A::kFp8Tensor,
           "float8 weights and activations, one scale a tensor"},
    Scheme{"FP8_DYNAMIC", kFp8, 8, G::kRow, 0, Mapping::kSymmetric, A::kFp8Row,
           "float8 weights per row, float8 activations per token"},
    Scheme{"FP8_BLOCK", kFp8, 8, G::kBlock128, 0, Mapping::kSymmetric, A::kFp8Group128,
           "float8 weights per 128x128 block, activations per 1x128"},
    Scheme{"FP8_WEIGHT_ONLY", kFp8, 8, G::kRow, 0, Mapping::kSymmetric, A::kNone,
           "float8 weights per row"},
    Scheme{"MXFP8", kMxfp8, 8, G::kGroup, 32, Mapping::kSymmetric, A::kMxfp8,
           "MXFP8 weights and activations"},
    Scheme{"MXFP8A16", kMxfp8, 8, G::kGroup, 32, Mapping::kSymmetric, A::kNone, "MXFP8 weights"},
    Scheme{"MXFP6", kMxfp6E2m3, 6, G::kGroup, 32, Mapping::kSymmetric, A::kNone,
           "MXFP6 weights, elements e2m3"},
    Scheme{"MXFP6_E3M2", kMxfp6E3m2, 6, G::kGroup, 32, Mapping::kSymmetric, A::kNone,
           "MXFP6 weights, elements e3m2; in memory only"},
    Scheme{"MXFP4", kMxfp4, 4, G::kGroup, 32, Mapping::kSymmetric, A::kNone, "MXFP4 weights"},
    Scheme{"NVFP4", kNvfp4, 4, G::kGroup, 16, Mapping::kSymmetric, A::kNone, "NVFP4 weights"},
    intx("W1A16", 1),
    intx("W2A16", 2),
    intx("W3A16", 3),
    intx("W5A16", 5),
    intx("W6A16", 6),
    intx("W7A16", 7),
    intx("W1A8", 1),
    intx("W2A8", 2),
    intx("W3A8", 3),
    intx("W5A8", 5),
    intx("W6A8", 6),
    intx("W7A8", 7),
    intx("W1A16_ASYM", 1),
    intx("W2A16_ASYM", 2),
    intx("W3A16_ASYM", 3),
    intx("W5A16_ASYM", 5),
    intx("W6A16_ASYM", 6),
    intx("W7A16_ASYM", 7),
    intx("W1A8_ASYM", 1),
    intx("W2A8_ASYM", 2),
    intx("W3A8_ASYM", 3),
    intx("W5A8_ASYM", 5),
    intx("W6A8_ASYM", 6),
    intx("W7A8_ASYM", 7),
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string fitting_groups(std::int64_t k) {
  std::vector<std::int64_t> groups;
  for (std::int64_t g = 256; g >= 16; g /= 2) {
    if (k % g == 0) groups.push_back(g);
  }
  return groups.empty() ? "none of 16 to 256" : fmt::format("{}", fmt::join(groups, ", "));
}

}  // namespace

std::span<const Scheme> schemes() { return kSchemes; }

const Scheme& scheme_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kSchemes, name, &Scheme::name);
  if (found != kSchemes.end()) return *found;
  std::vector<std::string_view> names;
  for (const Scheme& scheme : kSchemes) names.push_back(scheme.name);
  const auto nearest = *std::ranges::min_element(
      names, {}, [&](std::string_view known) { return edit_distance(known, name); });
  throw Error(
      fmt::format("[scheme] unknown scheme, got '{}', did you mean '{}'? expected one of {}", name,
                  nearest, fmt::join(names, ", ")));
}

Scheme with_group_size(const Scheme& scheme, std::int64_t group_size) {
  if (group_size == 0 || group_size == scheme.group_size) return scheme;
  const bool takes_group =
      scheme.weight == kInt4 || scheme.weight == kIntx || scheme.name == "W8A16";
  if (!takes_group) {
    throw Error(
        fmt::format("[scheme] {} has no group size to choose, got {}", scheme.name, group_size));
  }
  if (group_size < 0 || group_size % 2 != 0) {
    throw Error(fmt::format("[scheme] group size of {} must be even and positive, got {}",
                            scheme.name, group_size));
  }
  if (scheme.weight == kIntx && group_size % 8 != 0) {
    throw Error(fmt::format("[scheme] group size of {} must be a multiple of 8, got {}",
                            scheme.name, group_size));
  }
  Scheme result = scheme;
  result.granularity = G::kGroup;
  result.group_size = group_size;
  return result;
}

Scheme scheme_from_text(std::string_view text) {
  const std::size_t colon = text.find(':');
  const Scheme& scheme = scheme_from_name(text.substr(0, colon));
  if (colon == std::string_view::npos) return scheme;
  const std::string_view digits = text.substr(colon + 1);
  std::int64_t group_size = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), group_size);
  if (error != std::errc() || end != digits.data() + digits.size() || group_size <= 0) {
    throw Error(
        fmt::format("[scheme] group size after ':' is not a positive number, got '{}'", text));
  }
  return with_group_size(scheme, group_size);
}

std::string why_not(const Scheme& scheme, std::int64_t n, std::int64_t k) {
  if (n == 0 || k == 0) return fmt::format("the weight is empty: ({}, {})", n, k);
  if (scheme.weight == kIntx && k % 8 != 0) {
    return fmt::format("its {} columns are not a multiple of 8, of which {} bytes hold the codes",
                       k, scheme.bits);
  }
  if (scheme.weight == kInt4 && k % 2 != 0) {
    return fmt::format("its {} columns are odd, of which a byte holds two codes", k);
  }
  if (scheme.granularity == Granularity::kGroup && k % scheme.group_size != 0) {
    return fmt::format("its {} columns are not a multiple of the group of {}; groups that fit: {}",
                       k, scheme.group_size, fitting_groups(k));
  }
  return "";
}

}  // namespace lowp
