// What a call of a linear layer costs the host, on tiny tensors of DEVICE ("cuda"):
// lowp::nn::Linear under each scheme beside torch::nn::Linear. A sample is the time to send 200
// calls to an idle device, which is then waited for; the median counts. Prints JSON: {"NAME":
// microseconds}.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <iostream>
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
  std::vector<double> times;
  for (int sample = 0; sample <= kSamples; ++sample) {
    wait(x.device());
    const auto start = Clock::now();
    for (int i = 0; i < kCalls; ++i) layer->forward(x);
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
                    kCalls);
  }
  std::nth_element(times.begin(), times.begin() + kSamples / 2, times.end());
  return times[kSamples / 2];
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
  std::cout << "{\"torch::nn::Linear\": " << microseconds(plain, x);
  for (const char* scheme :
       {"W8A8", "W8A16", "W4A16", "FP8_DYNAMIC", "FP8_WEIGHT_ONLY", "MXFP8", "MXFP4", "NVFP4"}) {
    lowp::nn::Linear layer(torch::randn({kSize, kSize}, options));
    try {
      torch::nn::Sequential holder(layer);
      lowp::quantize_(holder, lowp::config_from_scheme(scheme));
      std::cout << ", \"" << scheme << "\": " << microseconds(layer, x);
    } catch (const std::exception& error) {  // no CUDA operator in this build
      std::cerr << scheme << ": " << error.what() << '\n';
    }
  }
  std::cout << "}\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
