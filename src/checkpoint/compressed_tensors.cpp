#include "checkpoint/compressed_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "formats/bf16.h"
#include "formats/fp16.h"
#include "formats/integers.h"
#include "formats/nvfp4.h"
#include "formats/packing.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::string_view kWeight = "weight";
constexpr std::string_view kPacked = "weight_packed";
constexpr std::string_view kScale = "weight_scale";
constexpr std::string_view kZeroPoint = "weight_zero_point";
constexpr std::string_view kShape = "weight_shape";
constexpr std::string_view kGlobalScale = "weight_global_scale";

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

bool is_integer(const Scheme& scheme) {
  return scheme.weight == WeightFormat::kInt4 || scheme.weight == WeightFormat::kInt8 ||
         scheme.weight == WeightFormat::kIntx;
}

// Integers whose activations are quantized too are stored a byte each, the others in 32-bit words.
bool is_word_packed(const Scheme& scheme) {
  return is_integer(scheme) && scheme.activation == ActivationFormat::kNone;
}

int stored_bits(const Scheme& scheme) {
  return is_integer(scheme) && !is_word_packed(scheme) ? 8 : scheme.bits;
}

std::string_view codes_suffix(const Scheme& scheme) {
  const bool packed = is_word_packed(scheme) || is_mxfp6(scheme.weight) ||
                      scheme.weight == WeightFormat::kMxfp4 ||
                      scheme.weight == WeightFormat::kNvfp4;
  return packed ? kPacked : kWeight;
}

// Bytes of a row of the stored codes.
std::int64_t stored_row_bytes(const Scheme& scheme, std::int64_t k) {
  const std::int64_t bytes = ceil_div(k * stored_bits(scheme), 8);
  return is_word_packed(scheme) ? ceil_div(bytes, 4) * 4 : bytes;
}

TensorSpec codes_spec(const Scheme& scheme, std::int64_t n, std::int64_t k) {
  const std::int64_t row = stored_row_bytes(scheme, k);
  if (is_word_packed(scheme)) return {std::string(kPacked), DType::kI32, {n, row / 4}};
  DType dtype = DType::kU8;
  if (is_integer(scheme)) dtype = DType::kI8;
  if (scheme.weight == WeightFormat::kFp8 || scheme.weight == WeightFormat::kMxfp8) {
    dtype = DType::kF8E4M3;
  }
  return {std::string(codes_suffix(scheme)), dtype, {n, row}};
}

TensorSpec scale_spec(const Scheme& scheme, std::int64_t n, std::int64_t k, DType dtype) {
  if (scheme.granularity == Granularity::kTensor) return {std::string(kScale), dtype, {1}};
  if (is_mx(scheme.weight)) dtype = DType::kU8;
  if (scheme.weight == WeightFormat::kNvfp4) dtype = DType::kF8E4M3;
  const kernels::Block block = scale_block(scheme, n, k);
  return {std::string(kScale), dtype, {ceil_div(n, block.rows), ceil_div(k, block.cols)}};
}

std::span<const std::byte> as_bytes(const void* data, std::size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

template <class T>
std::span<const std::byte> as_bytes(const std::vector<T>& data) {
  return as_bytes(data.data(), data.size() * sizeof(T));
}

// Values that are all of `dtype` already.
std::span<const std::byte> to_dtype(const std::vector<float>& values, DType dtype,
                                    std::vector<std::byte>& scratch) {
  if (dtype == DType::kF32) return as_bytes(values);
  scratch.resize(values.size() * 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits =
        dtype == DType::kBF16 ? Bf16::from_float(values[i]) : Fp16::from_float(values[i]);
    std::memcpy(scratch.data() + 2 * i, &bits, sizeof(bits));
  }
  return scratch;
}

std::vector<float> from_dtype(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (tensor.dtype == DType::kF32) {
      std::memcpy(&values[i], tensor.data.data() + 4 * i, 4);
      continue;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, tensor.data.data() + 2 * i, sizeof(bits));
    values[i] = tensor.dtype == DType::kBF16 ? Bf16::to_float(bits) : Fp16::to_float(bits);
  }
  return values;
}

// Two's complement to offset binary and back: the top bit of each code is flipped.
std::byte flip_mask(const Scheme& scheme) {
  if (scheme.weight == WeightFormat::kIntx) return std::byte{0};  // they are offset binary already
  return scheme.weight == WeightFormat::kInt4 ? std::byte{0x88} : std::byte{0x80};
}

// Codes in offset binary, each row padded with zero bits to whole words.
std::span<const std::byte> pack_words(const QuantizedWeight& rows,
                                      std::vector<std::byte>& scratch) {
  const std::int64_t row = rows.k * rows.scheme.bits / 8;
  const std::int64_t stored = stored_row_bytes(rows.scheme, rows.k);
  const std::byte mask = flip_mask(rows.scheme);
  scratch.resize(static_cast<std::size_t>(rows.n * stored));
  if (row != stored) std::ranges::fill(scratch, std::byte{0});
  for (std::int64_t r = 0; r < rows.n; ++r) {
    const auto* from = reinterpret_cast<const std::byte*>(rows.codes.data()) + r * row;
    std::byte* to = scratch.data() + r * stored;
    for (std::int64_t i = 0; i < row; ++i) to[i] = from[i] ^ mask;
  }
  return scratch;
}

std::int64_t group_count(const Scheme& scheme, std::int64_t k) {
  return ceil_div(k, scale_block(scheme, 1, k).cols);
}

// Zero points (n, groups) in words along n, packed as codes are along k.
std::span<const std::byte> pack_zero_points(const QuantizedWeight& rows,
                                            std::vector<std::byte>& scratch) {
  const int bits = rows.scheme.bits;
  const std::int64_t groups = group_count(rows.scheme, rows.k);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(packed_words(rows.n, bits) * groups));
  for (std::int64_t g = 0; g < groups; ++g) {
    lowp::pack_words(rows.zero_point.data() + g, rows.n, bits, words.data() + g, WordOrder::kDense,
                     groups, groups);
  }
  const auto bytes = as_bytes(words);
  scratch.assign(bytes.begin(), bytes.end());
  return scratch;
}

std::vector<std::int8_t> unpack_zero_points(const TensorView& tensor, const Scheme& scheme,
                                            std::int64_t n, std::int64_t groups) {
  std::vector<std::uint32_t> words(tensor.data.size() / sizeof(std::uint32_t));
  std::memcpy(words.data(), tensor.data.data(), words.size() * sizeof(std::uint32_t));
  std::vector<std::int8_t> values(static_cast<std::size_t>(n * groups));
  for (std::int64_t g = 0; g < groups; ++g) {
    lowp::unpack_words(words.data() + g, n, scheme.bits, values.data() + g, WordOrder::kDense,
                       groups, groups);
  }
  return values;
}

// Codes of less than a byte a byte each, and back.
std::span<const std::byte> unpack_stream(const QuantizedWeight& rows,
                                         std::vector<std::byte>& scratch) {
  const std::int64_t row = rows.k * rows.scheme.bits / 8;
  scratch.resize(static_cast<std::size_t>(rows.n * rows.k));
  for (std::int64_t r = 0; r < rows.n; ++r) {
    for (std::int64_t i = 0; i < rows.k; ++i) {
      const int code = intx_code(rows.codes.data() + r * row, i, rows.scheme.bits);
      scratch[static_cast<std::size_t>(r * rows.k + i)] = static_cast<std::byte>(code);
    }
  }
  return scratch;
}

std::span<const std::byte> unpack_nibbles(const QuantizedWeight& rows,
                                          std::vector<std::byte>& scratch) {
  scratch.resize(2 * rows.codes.size());
  for (std::size_t i = 0; i < rows.codes.size(); ++i) {
    scratch[2 * i] = static_cast<std::byte>(sign_extend(rows.codes[i], 4));
    scratch[2 * i + 1] = static_cast<std::byte>(sign_extend(rows.codes[i] >> 4, 4));
  }
  return scratch;
}

// Empty if one is not in -8..7.
std::vector<std::uint8_t> pack_nibbles(std::span<const std::byte> data) {
  std::vector<std::uint8_t> codes(data.size() / 2);
  bool fits = true;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto low = static_cast<std::int8_t>(data[2 * i]);
    const auto high = static_cast<std::int8_t>(data[2 * i + 1]);
    fits &= low >= -8 && low <= 7 && high >= -8 && high <= 7;
    codes[i] = static_cast<std::uint8_t>((low & 15) | (high & 15) << 4);
  }
  return fits ? codes : std::vector<std::uint8_t>();
}

// Empty if one is out of range.
std::vector<std::uint8_t> pack_stream(std::span<const std::byte> data, std::int64_t n,
                                      std::int64_t k, int bits) {
  const IntRange range = signed_range(bits);
  std::vector<std::uint8_t> stored(data.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto code = static_cast<std::int8_t>(data[i]);
    if (code < range.min || code > range.max) return {};
    stored[i] = static_cast<std::uint8_t>(code + intx_offset(bits));
  }
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(n * k * bits / 8));
  for (std::int64_t r = 0; r < n; ++r) {
    pack_bit_stream(stored.data() + r * k, k, bits, codes.data() + r * k * bits / 8);
  }
  return codes;
}

TensorSpec zero_point_spec(const Scheme& scheme, std::int64_t n, std::int64_t k) {
  const std::int64_t groups = group_count(scheme, k);
  if (!is_word_packed(scheme)) return {std::string(kZeroPoint), DType::kI8, {n, groups}};
  return {std::string(kZeroPoint), DType::kI32, {packed_words(n, scheme.bits), groups}};
}

// 448 * 6 / amax, limited to finite numbers; 1 for a weight of zeros.
float nvfp4_global_scale(float amax) {
  if (amax == 0) return 1;
  const float scale = kNvfp4Max / amax;
  return scale > std::numeric_limits<float>::max() ? std::numeric_limits<float>::max() : scale;
}

class WeightReader {
 public:
  WeightReader(const ModelFiles& files, std::string_view module, const Scheme& scheme)
      : files_(files), module_(module), scheme_(scheme) {}

  const TensorView& get(std::string_view suffix) const {
    return files_.at(fmt::format("{}.{}", module_, suffix));
  }

  const TensorView& get(const TensorSpec& spec) const {
    const TensorView& tensor = get(spec.name);
    if (tensor.dtype != spec.dtype) {
      fail(tensor, fmt::format("dtype {}, expected {}", name(tensor.dtype), name(spec.dtype)));
    }
    if (tensor.shape != spec.shape) {
      fail(tensor, fmt::format("shape [{}], expected [{}]", fmt::join(tensor.shape, ", "),
                               fmt::join(spec.shape, ", ")));
    }
    return tensor;
  }

  // Scales may be of any float dtype, whatever the weight had.
  const TensorView& get_scale(std::int64_t n, std::int64_t k) const {
    const TensorView& tensor = get(kScale);
    const bool stored_as_float = tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16;
    return get(scale_spec(scheme_, n, k, stored_as_float ? tensor.dtype : DType::kBF16));
  }

  // (N, K) of the weight before quantization.
  std::pair<std::int64_t, std::int64_t> shape() const {
    const TensorView& codes = get(codes_suffix(scheme_));
    if (codes.shape.size() != 2) fail(codes, fmt::format("{} dimensions", codes.shape.size()));
    const std::int64_t n = codes.shape[0];
    if (!is_word_packed(scheme_)) {
      const std::int64_t bits = stored_bits(scheme_);
      if (codes.shape[1] > std::numeric_limits<std::int64_t>::max() / 8 ||
          codes.shape[1] * 8 % bits != 0) {
        fail(codes, fmt::format("{} columns", codes.shape[1]));
      }
      return {n, codes.shape[1] * 8 / bits};
    }
    const TensorView& tensor = get(TensorSpec{std::string(kShape), DType::kI64, {2}});
    std::array<std::int64_t, 2> stored{};
    std::memcpy(stored.data(), tensor.data.data(), sizeof(stored));
    const bool fits = stored[1] > 0 && stored[1] <= std::numeric_limits<std::int32_t>::max() &&
                      packed_words(stored[1], scheme_.bits) == codes.shape[1];
    if (stored[0] != n || !fits) {
      fail(tensor, fmt::format("value [{}, {}], which does not fit {} of shape [{}]", stored[0],
                               stored[1], kPacked, fmt::join(codes.shape, ", ")));
    }
    return {n, stored[1]};
  }

  [[noreturn]] void fail(const TensorView& tensor, std::string_view problem) const {
    throw Error(fmt::format("[read compressed-tensors] '{}': tensor '{}' of scheme {} has {}",
                            files_.directory().string(), tensor.name, scheme_.name, problem));
  }

 private:
  const ModelFiles& files_;
  std::string_view module_;
  const Scheme& scheme_;
};

std::span<const std::byte> stored_codes(const QuantizedWeight& rows,
                                        std::vector<std::byte>& scratch) {
  if (is_word_packed(rows.scheme)) return pack_words(rows, scratch);
  if (rows.scheme.weight == WeightFormat::kInt4) return unpack_nibbles(rows, scratch);
  if (rows.scheme.weight == WeightFormat::kIntx) return unpack_stream(rows, scratch);
  return as_bytes(rows.codes);
}

std::vector<std::uint8_t> to_codes(std::span<const std::byte> data) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
  return {bytes, bytes + data.size()};
}

std::vector<std::uint8_t> unpack_words(const TensorView& tensor, const QuantizedWeight& weight) {
  const std::int64_t row = weight.k * weight.scheme.bits / 8;
  const std::int64_t stored = stored_row_bytes(weight.scheme, weight.k);
  const auto mask = std::to_integer<std::uint8_t>(flip_mask(weight.scheme));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(weight.n * row));
  for (std::int64_t r = 0; r < weight.n; ++r) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(tensor.data.data()) + r * stored;
    for (std::int64_t i = 0; i < row; ++i) {
      codes[static_cast<std::size_t>(r * row + i)] = static_cast<std::uint8_t>(from[i] ^ mask);
    }
  }
  return codes;
}

}  // namespace

std::string why_not_compressed_tensors(const Scheme& scheme) {
  if (scheme.mapping == Mapping::kFloatZero) {
    return fmt::format(
        "{} has no form in compressed-tensors: it exists in memory only (lowp eval --quantize); "
        "W4A16_ASYM has an integer zero point and can be stored",
        scheme.name);
  }
  if (scheme.weight == WeightFormat::kMxfp6E3m2) {
    return fmt::format(
        "{} has no form in compressed-tensors: it exists in memory only (lowp eval --quantize); "
        "MXFP6, whose elements are e2m3, can be stored",
        scheme.name);
  }
  return "";
}

std::vector<TensorSpec> compressed_tensors_specs(const Scheme& scheme, std::string_view module,
                                                 std::int64_t n, std::int64_t k, DType dtype) {
  std::vector<TensorSpec> specs{codes_spec(scheme, n, k), scale_spec(scheme, n, k, dtype)};
  if (is_word_packed(scheme)) specs.push_back({std::string(kShape), DType::kI64, {2}});
  if (scheme.mapping == Mapping::kAsymmetric) {
    specs.push_back(zero_point_spec(scheme, n, k));
  }
  if (scheme.weight == WeightFormat::kNvfp4) {
    specs.push_back({std::string(kGlobalScale), DType::kF32, {1}});
  }
  for (TensorSpec& spec : specs) spec.name = fmt::format("{}.{}", module, spec.name);
  return specs;
}

bool needs_amax(const Scheme& scheme) {
  return scheme.granularity == Granularity::kTensor || scheme.weight == WeightFormat::kNvfp4;
}

void quantize_compressed_tensors(QuantizedWeight& out, const Scheme& scheme,
                                 const kernels::Matrix& weight, float amax,
                                 const kernels::ParallelFor* parallel) {
  quantize_weight_into(out, scheme, weight, parallel, {.scale_dtype = weight.dtype, .amax = amax});
  if (scheme.weight == WeightFormat::kNvfp4) {
    out.reciprocal_tensor_scale = nvfp4_global_scale(amax);
  }
}

void CompressedTensorsEncoder::encode(const QuantizedWeight& rows, std::int64_t begin,
                                      std::int64_t n, const Write& write) {
  const Scheme& scheme = rows.scheme;
  const auto row_bytes = static_cast<std::uint64_t>(stored_row_bytes(scheme, rows.k));
  const auto first = static_cast<std::uint64_t>(begin);
  write(codes_suffix(scheme), first * row_bytes, stored_codes(rows, scratch_));
  const kernels::Block block = scale_block(scheme, n, rows.k);
  const auto scale_row = static_cast<std::uint64_t>(begin / block.rows);
  const auto scale_columns = static_cast<std::uint64_t>(ceil_div(rows.k, block.cols));
  if (!rows.block_scale.empty()) {
    write(kScale, scale_row * scale_columns, as_bytes(rows.block_scale));
  } else if (scheme.granularity != Granularity::kTensor || begin == 0) {
    const auto element = static_cast<std::uint64_t>(bits(rows.scale_dtype) / 8);
    write(kScale, scale_row * scale_columns * element,
          to_dtype(rows.scale, rows.scale_dtype, scratch_));
  }
  if (scheme.mapping == Mapping::kAsymmetric) {
    if (is_word_packed(scheme)) {
      // Parts begin at whole words of zero points.
      const std::uint64_t words = first * static_cast<std::uint64_t>(scheme.bits) / 32;
      write(kZeroPoint, words * scale_columns * 4, pack_zero_points(rows, scratch_));
    } else {
      write(kZeroPoint, first * scale_columns, as_bytes(rows.zero_point));
    }
  }
  if (begin != 0) return;
  if (is_word_packed(scheme)) {
    const std::array<std::int64_t, 2> shape{n, rows.k};
    write(kShape, 0, as_bytes(shape.data(), sizeof(shape)));
  }
  if (scheme.weight == WeightFormat::kNvfp4) {
    write(kGlobalScale, 0, as_bytes(&rows.reciprocal_tensor_scale, sizeof(float)));
  }
}

std::pair<std::int64_t, std::int64_t> compressed_tensors_shape(const ModelFiles& files,
                                                               std::string_view module,
                                                               const Scheme& scheme) {
  return WeightReader(files, module, scheme).shape();
}

QuantizedWeight read_compressed_tensors(const ModelFiles& files, std::string_view module,
                                        const Scheme& scheme, DType dtype) {
  const WeightReader reader(files, module, scheme);
  QuantizedWeight weight;
  weight.scheme = scheme;
  weight.dtype = dtype;
  std::tie(weight.n, weight.k) = reader.shape();
  const TensorView& codes = reader.get(codes_spec(scheme, weight.n, weight.k));
  const std::string reason = why_not(scheme, weight.n, weight.k);
  if (!reason.empty()) reader.fail(codes, reason);
  if (is_word_packed(scheme)) {
    weight.codes = unpack_words(codes, weight);
  } else if (scheme.weight == WeightFormat::kInt4) {
    weight.codes = pack_nibbles(codes.data);
    if (weight.codes.empty()) reader.fail(codes, "a code outside of -8..7");
  } else if (scheme.weight == WeightFormat::kIntx) {
    weight.codes = pack_stream(codes.data, weight.n, weight.k, scheme.bits);
    if (weight.codes.empty()) {
      reader.fail(codes, fmt::format("a code that is not one of {} bits", scheme.bits));
    }
  } else {
    weight.codes = to_codes(codes.data);
  }
  const TensorView& scale = reader.get_scale(weight.n, weight.k);
  if (is_mx(scheme.weight) || scheme.weight == WeightFormat::kNvfp4) {
    weight.block_scale = to_codes(scale.data);
  } else {
    weight.scale_dtype = scale.dtype;
    weight.scale = from_dtype(scale);
  }
  if (scheme.mapping == Mapping::kAsymmetric) {
    const std::int64_t groups = group_count(scheme, weight.k);
    const TensorView& zeros = reader.get(zero_point_spec(scheme, weight.n, weight.k));
    if (is_word_packed(scheme)) {
      weight.zero_point = unpack_zero_points(zeros, scheme, weight.n, groups);
    } else {
      const auto* values = reinterpret_cast<const std::int8_t*>(zeros.data.data());
      weight.zero_point.assign(values, values + zeros.data.size());
    }
  }
  if (scheme.weight == WeightFormat::kNvfp4) {
    const TensorView& global = reader.get(TensorSpec{std::string(kGlobalScale), DType::kF32, {1}});
    weight.reciprocal_tensor_scale = from_dtype(global)[0];
    if (weight.reciprocal_tensor_scale == 0) reader.fail(global, "value 0");
    weight.tensor_scale = 1 / weight.reciprocal_tensor_scale;
  }
  return weight;
}

}  // namespace lowp::checkpoint
