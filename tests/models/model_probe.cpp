// What the oracle test asks of a model: `model_probe DIR LOGITS STEPS DTYPE SCHEME ID...` writes
// the logits of the ids as raw fp32 (T, vocab_size) to the file LOGITS and prints STEPS greedy
// tokens. LOGITS.autograd are those with gradients, LOGITS.decode those of one token at a time.
// SCHEME is that of all linear layers, or "none".
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "lowp/models/causal_lm.h"
#include "lowp/quantize.h"

namespace {

constexpr int kFirstId = 6;

void write(const torch::Tensor& logits, const std::string& path) {
  const torch::Tensor wide = logits.detach().to(torch::kFloat32).contiguous();
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

}  // namespace

int main(int argc, char** argv) try {
  const torch::ScalarType dtype =
      std::string(argv[4]) == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
  lowp::models::CausalLM model = lowp::models::CausalLM::load(argv[1], {.dtype = dtype});
  const std::string scheme = argv[5];
  if (scheme != "none") quantize(model, scheme);
  std::vector<std::int64_t> ids;
  for (int i = kFirstId; i < argc; ++i) ids.push_back(std::atoll(argv[i]));
  const torch::Tensor sequence = torch::tensor(ids, torch::kInt64);
  write(model->forward(sequence), std::string(argv[2]) + ".autograd");
  model->optimize_for_inference();
  const torch::InferenceMode inference;
  write(model->forward(sequence), argv[2]);
  write(decode(model, sequence), std::string(argv[2]) + ".decode");
  lowp::models::GenerateOptions options;
  options.max_tokens = std::atoll(argv[3]);
  for (const std::int64_t token : model->generate(ids, options).tokens) std::cout << token << ' ';
  std::cout << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
