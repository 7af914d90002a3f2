// Quantizes a raw matrix and dequantizes it again with the kernels, for tests/oracle:
//   quantize_tool OPERATION IN DTYPE ROWS COLS OUT [NAME=VALUE]...
// OPERATION: int8, int4, fp8, mx, nvfp4. Values are the numbers of the enumerations in
// src/formats. Writes OUT.codes, OUT.scale, OUT.zero_point, OUT.zero, OUT.tensor_scale (those that
// the operation has) and OUT.values, the dequantized matrix in the element type of the input.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/dequantize_fp8/dequantize_fp8.h"
#include "kernels/dequantize_int4/dequantize_int4.h"
#include "kernels/dequantize_int8/dequantize_int8.h"
#include "kernels/dequantize_mx/dequantize_mx.h"
#include "kernels/dequantize_nvfp4/dequantize_nvfp4.h"
#include "kernels/quantize_fp8/quantize_fp8.h"
#include "kernels/quantize_int4/quantize_int4.h"
#include "kernels/quantize_int8/quantize_int8.h"
#include "kernels/quantize_mx/quantize_mx.h"
#include "kernels/quantize_nvfp4/quantize_nvfp4.h"
#include "kernels/runtime/thread_pool.h"

namespace lowp::kernels {
namespace {

class Job {
 public:
  explicit Job(const std::vector<std::string>& words)
      : dtype_(dtype_from_name(words.at(2)).value()),
        rows_(std::stoll(words.at(3))),
        cols_(std::stoll(words.at(4))),
        out_(words.at(5)) {
    std::ifstream file(words.at(1), std::ios::binary);
    x_.assign(std::istreambuf_iterator<char>(file), {});
    x_.resize(static_cast<std::size_t>(rows_ * cols_ * bits(dtype_) / 8));
    values_.resize(x_.size());
    codes_.resize(static_cast<std::size_t>(rows_ * cols_));
    scale_.resize(codes_.size());
    zero_.resize(codes_.size());
    byte_scale_.resize(codes_.size());
    zero_point_.resize(codes_.size());
    for (std::size_t i = 6; i < words.size(); ++i) {
      const auto equals = words[i].find('=');
      options_[words[i].substr(0, equals)] = words[i].substr(equals + 1);
    }
    block_ = {integer("block_rows", 1), integer("block_cols", cols_)};
    blocks_ = (rows_ + block_.rows - 1) / block_.rows * ((cols_ + block_.cols - 1) / block_.cols);
  }

  void int8() {
    const auto mapping = static_cast<Mapping>(integer("mapping", 0));
    auto* codes = reinterpret_cast<std::int8_t*>(codes_.data());
    std::int8_t* zero_point = mapping == Mapping::kAsymmetric ? zero_point_.data() : nullptr;
    quantize_int8({x(), block_, mapping, scale_dtype(), epsilon(), codes, scale_.data(), zero_point,
                   threads()});
    dequantize_int8({codes, block_, scale_.data(), zero_point, values(), threads()});
    write("codes", codes_.data(), rows_ * cols_);
    write("scale", scale_.data(), blocks_ * 4);
    write("zero_point", zero_point_.data(), blocks_);
  }

  void int4() {
    const auto mapping = static_cast<Mapping>(integer("mapping", 0));
    std::int8_t* zero_point = mapping == Mapping::kAsymmetric ? zero_point_.data() : nullptr;
    float* zero = mapping == Mapping::kFloatZero ? zero_.data() : nullptr;
    quantize_int4({x(), block_.cols, mapping, scale_dtype(), epsilon(), codes_.data(),
                   scale_.data(), zero_point, zero, threads()});
    dequantize_int4(
        {codes_.data(), block_.cols, scale_.data(), zero_point, zero, values(), threads()});
    write("codes", codes_.data(), rows_ * cols_ / 2);
    write("scale", scale_.data(), blocks_ * 4);
    write("zero_point", zero_point_.data(), blocks_);
    write("zero", zero_.data(), blocks_ * 4);
  }

  void fp8() {
    quantize_fp8({x(), block_, element(), scale_dtype(), false, nullptr, codes_.data(),
                  scale_.data(), threads()});
    dequantize_fp8({codes_.data(), element(), block_, scale_.data(), values(), threads()});
    write("codes", codes_.data(), rows_ * cols_);
    write("scale", scale_.data(), blocks_ * 4);
  }

  void mx() {
    const auto mode = static_cast<MxScaleMode>(integer("mode", 0));
    quantize_mx({x(), block_.cols, element(), mode, codes_.data(), byte_scale_.data(), threads()});
    dequantize_mx({codes_.data(), element(), block_.cols, byte_scale_.data(), values(), threads()});
    write("codes", codes_.data(), element() == DType::kF4 ? rows_ * cols_ / 2 : rows_ * cols_);
    write("scale", byte_scale_.data(), blocks_);
  }

  void nvfp4() {
    const auto recipe = static_cast<Nvfp4Recipe>(integer("recipe", 0));
    const float static_scale = real("tensor_scale", 0.0F);
    quantize_nvfp4({x(), recipe, real("floor", 0x1p-6F),
                    static_scale == 0.0F ? nullptr : &static_scale, codes_.data(),
                    byte_scale_.data(), scale_.data(), threads()});
    dequantize_nvfp4({codes_.data(), byte_scale_.data(), scale_.data(), values(), threads()});
    write("codes", codes_.data(), rows_ * cols_ / 2);
    write("scale", byte_scale_.data(), rows_ * cols_ / 16);
    write("tensor_scale", scale_.data(), 4);
  }

  void write_values() {
    write("values", values_.data(), static_cast<std::int64_t>(values_.size()));
  }

 private:
  Matrix x() const { return {x_.data(), dtype_, rows_, cols_, cols_}; }
  MutableMatrix values() { return {values_.data(), dtype_, rows_, cols_, cols_}; }
  const ParallelFor* threads() { return pool_.parallel_for(); }

  std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
    const auto found = options_.find(name);
    return found == options_.end() ? otherwise : std::stoll(found->second);
  }
  float real(const std::string& name, float otherwise) const {
    const auto found = options_.find(name);
    return found == options_.end() ? otherwise : std::stof(found->second);
  }
  DType dtype_option(const std::string& name, DType otherwise) const {
    const auto found = options_.find(name);
    return found == options_.end() ? otherwise : dtype_from_name(found->second).value();
  }
  DType element() const { return dtype_option("element", DType::kF8E4M3); }
  DType scale_dtype() const { return dtype_option("scale_dtype", DType::kF32); }
  float epsilon() const { return real("epsilon", 0x1p-23F); }

  void write(const std::string& name, const void* data, std::int64_t bytes) const {
    std::ofstream file(out_ + "." + name, std::ios::binary);
    file.write(static_cast<const char*>(data), bytes);
    if (!file.flush()) throw std::runtime_error("cannot write " + out_ + "." + name);
  }

  DType dtype_;
  std::int64_t rows_;
  std::int64_t cols_;
  std::string out_;
  Block block_{};
  std::int64_t blocks_ = 0;
  std::map<std::string, std::string> options_;
  ThreadPool pool_{2};
  std::vector<char> x_;
  std::vector<char> values_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> scale_;
  std::vector<float> zero_;
  std::vector<std::uint8_t> byte_scale_;
  std::vector<std::int8_t> zero_point_;
};

void run(const std::vector<std::string>& words) {
  const std::map<std::string, void (Job::*)()> operations{{"int8", &Job::int8},
                                                          {"int4", &Job::int4},
                                                          {"fp8", &Job::fp8},
                                                          {"mx", &Job::mx},
                                                          {"nvfp4", &Job::nvfp4}};
  Job job(words);
  (job.*operations.at(words.at(0)))();
  job.write_values();
}

}  // namespace
}  // namespace lowp::kernels

int main(int argc, char** argv) {
  try {
    lowp::kernels::run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quantize_tool: %s\n", error.what());
    return 1;
  }
}
