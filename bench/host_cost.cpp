// What a call of a linear layer costs the host, on tiny tensors of DEVICE ("cuda"):
// lowp::nn::Linear under each scheme beside torch::nn::Linear. A sample is the time to send 200
// calls to an idle device, which is then waited for. The layers take turns, for the host's speed
// drifts: other machines share it. Prints JSON, medians: {"NAME": {"microseconds": ...,
// "of_torch": ...}}, the latter of the ratios in the same turn.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "lowp/cuda.h"
#include "lowp/lowp.h"

namespace {

constexpr std::int64_t kSize = 128;
constexpr int kCalls = 200, kSamples = 30;

void wait(const torch::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

template <class Layer>
double microseconds(Layer& layer, const torch::Tensor& x) {
  using Clock = std::chrono::steady_clock;
  wait(x.device());
  const auto start = Clock::now();
  for (int i = 0; i < kCalls; ++i) layer->forward(x);
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count() / kCalls;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

struct Measured {
  std::string name;
  lowp::nn::Linear layer{nullptr};
  std::vector<double> times;
  std::vector<double> of_torch;
};

std::vector<Measured> quantized_layers(const torch::TensorOptions& options) {
  std::vector<Measured> layers;
  for (const char* scheme :
       {"W8A8", "W8A16", "W4A16", "FP8_DYNAMIC", "FP8_WEIGHT_ONLY", "MXFP8", "MXFP4", "NVFP4"}) {
    lowp::nn::Linear layer(torch::randn({kSize, kSize}, options));
    torch::nn::Sequential holder(layer);
    lowp::quantize_(holder, lowp::config_from_scheme(scheme));
    layers.push_back({.name = scheme, .layer = layer, .times = {}, .of_torch = {}});
  }
  return layers;
}

}  // namespace

int main(int argc, char** argv) try {
  const torch::Device device(argc > 1 ? argv[1] : "cuda");
  if (device.is_cuda()) lowp::require_cuda_operators();
  const torch::InferenceMode inference;
  const auto options = torch::dtype(torch::kBFloat16).device(device);
  const torch::Tensor x = torch::randn({1, kSize}, options);
  torch::nn::Linear plain(torch::nn::LinearOptions(kSize, kSize).bias(false));
  plain->to(device, torch::kBFloat16);
  std::vector<Measured> layers = quantized_layers(options);
  std::vector<double> base;
  for (int sample = -1; sample < kSamples; ++sample) {
    const double time = microseconds(plain, x);
    if (sample >= 0) base.push_back(time);
    for (Measured& measured : layers) {
      const double own = microseconds(measured.layer, x);
      if (sample < 0) continue;
      measured.times.push_back(own);
      measured.of_torch.push_back(own / time);
    }
  }
  std::cout << "{\"torch::nn::Linear\": {\"microseconds\": " << median(base) << '}';
  for (const Measured& measured : layers) {
    std::cout << ", \"" << measured.name << "\": {\"microseconds\": " << median(measured.times)
              << ", \"of_torch\": " << median(measured.of_torch) << '}';
  }
  std::cout << "}\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
