#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/options/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lowp {
struct QuantizedWeight;
}

namespace lowp::nn {

struct QuantizedState;

// What a scheme with dynamic activations does to them; the others ignore it.
struct ActivationOptions {
  std::string mapping = "symmetric";   // of int8: or "asymmetric"
  std::string scaling_mode = "rceil";  // of MXFP8: "floor", "ceil", "even", "rceil"
  // Of int8 activations for int8 weights:
  bool per_tensor = false;                    // one scale for all tokens
  std::optional<float> scale = std::nullopt;  // known before, not measured
  std::int8_t zero_point = 0;                 // with scale, where asymmetric
  std::vector<float> pre_scale;               // (in_features) factors of the columns of x, or empty
};

// torch::nn::Linear whose weight can be exchanged for a quantized one in place (lowp::quantize_).
// y = x weight^T + bias; x (*, in_features), weight (out_features, in_features), y (*,
// out_features).
//
// Quantized, the parameter `weight` is gone and the buffers weight_codes, weight_scale and so on
// hold the representation, which saves, loads, moves and clones with the module; changing the
// module's dtype leaves them alone. x is float32, float16 or bfloat16, and y of its dtype. The
// gradient with respect to x and bias is that of the dequantized weight; the weight has none.
class LinearImpl : public torch::nn::Cloneable<LinearImpl> {
 public:
  LinearImpl(std::int64_t in_features, std::int64_t out_features);
  explicit LinearImpl(const torch::nn::LinearOptions& options);
  // Takes the tensors as they are, without initializing them: weight (out_features, in_features),
  // bias (out_features) or undefined.
  explicit LinearImpl(const torch::Tensor& weight, const torch::Tensor& bias = {});

  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input);

  // Called with every input before the product; an empty function ends that.
  void set_observer(std::function<void(const torch::Tensor&)> observer);
  bool is_observed() const { return observer_ != nullptr; }

  bool is_quantized() const { return quantized_ != nullptr; }
  std::string scheme() const;  // "W4A16"; empty if not quantized
  // For lowp's own sources: QuantizedState is not part of the API. nullptr if not quantized.
  const QuantizedState* quantized_state() const { return quantized_.get(); }

  // Takes a weight of (out_features, in_features); throws lowp::Error for another shape.
  void set_quantized_weight(const QuantizedWeight& weight,
                            const ActivationOptions& activation = {});
  // For lowp's own sources: what quantize_ made on the device of the weight.
  void set_quantized_state(const QuantizedState& state);
  // Throw lowp::Error if the layer is not quantized.
  QuantizedWeight quantized_weight() const;
  torch::Tensor dequantized_weight() const;  // (out_features, in_features), of the original dtype
  // Makes `weight` a parameter again, with the dequantized values.
  void dequantize();

  // Puts the weight in the layout that the AVX2 kernels read fastest (docs/cpu.md), once, for the
  // products to come; every other function sees and saves the plain one. False where it stays as
  // it is: formats other than MXFP4 and NVFP4, rows that are no multiple of 8, layers on a GPU.
  bool pack();
  void unpack();
  bool is_packed() const;

  // Module's, aware of the quantized state.
  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

  torch::nn::LinearOptions options;
  torch::Tensor weight;  // undefined once quantized
  torch::Tensor bias;    // undefined if options.bias() is false

 private:
  struct Empty {};
  LinearImpl(const torch::nn::LinearOptions& options, Empty);
  torch::Device device() const;
  void install(const QuantizedState& state);
  void clear_quantized_state();
  void set_buffer(const std::string& name, torch::Tensor& tensor);

  std::shared_ptr<QuantizedState> quantized_;
  std::function<void(const torch::Tensor&)> observer_;
};

TORCH_MODULE(Linear);

}  // namespace lowp::nn
