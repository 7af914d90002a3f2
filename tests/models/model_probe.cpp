// What the oracle test asks of a model: `model_probe DIR LOGITS STEPS DTYPE DEVICE SCHEME ID...`
// writes the logits of the ids as raw fp32 (T, vocab_size) to the file LOGITS and prints STEPS
// greedy tokens. LOGITS.autograd are those with gradients, LOGITS.decode those of one token at a
// time, LOGITS.step those of steps whose place is in device memory, as a CUDA graph replays them.
// SCHEME is that of all linear layers, or "none".
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "lowp/models/causal_lm.h"
#include "lowp/quantize.h"
#include "models/decoder.h"

namespace {

constexpr int kFirstId = 7;

void write(const torch::Tensor& logits, const std::string& path) {
  const torch::Tensor wide = logits.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(wide.const_data_ptr()),
             static_cast<std::streamsize>(wide.nbytes()));
}

// "W4A16:32", "NVFP4"
void quantize(lowp::models::CausalLM& model, const std::string& scheme) {
  const torch::NoGradGuard no_grad;
  const std::size_t colon = scheme.find(':');
  const std::string name = scheme.substr(0, colon);
  lowp::quantize_(*model,
                  colon == std::string::npos
                      ? lowp::config_from_scheme(name)
                      : lowp::config_from_scheme(name, std::stoll(scheme.substr(colon + 1))));
}

torch::Tensor decode(lowp::models::CausalLM& model, const torch::Tensor& ids) {
  lowp::models::KvCache cache = model->make_cache(ids.size(0));
  std::vector<torch::Tensor> logits;
  for (std::int64_t i = 0; i < ids.size(0); ++i) {
    logits.push_back(model->forward(ids.slice(0, i, i + 1), &cache));
  }
  return torch::cat(logits);
}

torch::Tensor decode_by_steps(lowp::models::CausalLM& model, const torch::Tensor& ids) {
  static const auto advance =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("lowp::decode_advance", "")
          .typed<void(const torch::Tensor&, torch::Tensor&, std::int64_t)>();
  const auto parts = model->named_children();
  auto* decoder = parts["model"]->as<lowp::models::DecoderImpl>();
  auto* head = parts["lm_head"]->as<lowp::nn::LinearImpl>();
  const lowp::models::Config& config = model->config();
  lowp::models::KvCache cache = model->make_cache(ids.size(0));
  // The token -1 would be an error: each step's input is put over what the last one chose.
  torch::Tensor state = torch::tensor({-1, 0, 0, 1, 0, 1, -1}, torch::kInt64).to(model->device());
  const lowp::models::DeviceStep step = decoder->make_step(state, cache.capacity());
  std::vector<torch::Tensor> logits;
  for (std::int64_t i = 0; i < ids.size(0); ++i) {
    state.narrow(0, 0, 1).copy_(ids.narrow(0, i, 1));
    logits.push_back(head->forward(decoder->decode(step, cache)));
    const double cap = config.final_logit_softcapping;
    if (cap > 0.0) logits.back() = torch::tanh(logits.back() / cap) * cap;
    advance.call(logits.back(), state, config.sliding_window);
  }
  return torch::cat(logits);
}

}  // namespace

int main(int argc, char** argv) try {
  const torch::ScalarType dtype =
      std::string(argv[4]) == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
  lowp::models::CausalLM model =
      lowp::models::CausalLM::load(argv[1], {.dtype = dtype, .device = torch::Device(argv[5])});
  const std::string scheme = argv[6];
  if (scheme != "none") quantize(model, scheme);
  std::vector<std::int64_t> ids;
  for (int i = kFirstId; i < argc; ++i) ids.push_back(std::atoll(argv[i]));
  const torch::Tensor sequence = torch::tensor(ids, torch::kInt64);
  write(model->forward(sequence), std::string(argv[2]) + ".autograd");
  model->optimize_for_inference();
  const torch::InferenceMode inference;
  write(model->forward(sequence), argv[2]);
  write(decode(model, sequence), std::string(argv[2]) + ".decode");
  write(decode_by_steps(model, sequence), std::string(argv[2]) + ".step");
  lowp::models::GenerateOptions options;
  options.max_tokens = std::atoll(argv[3]);
  for (const std::int64_t token : model->generate(ids, options).tokens) std::cout << token << ' ';
  std::cout << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
