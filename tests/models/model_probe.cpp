// What the oracle test asks of a model: `model_probe DIR LOGITS STEPS DTYPE ID...` writes the
// logits of the ids as raw fp32 (T, vocab_size) to the file LOGITS and prints STEPS greedy tokens.
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "lowp/models/causal_lm.h"

namespace {

constexpr int kFirstId = 5;

void write(const torch::Tensor& logits, const std::string& path) {
  const torch::Tensor wide = logits.detach().to(torch::kFloat32).contiguous();
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(wide.const_data_ptr()),
             static_cast<std::streamsize>(wide.nbytes()));
}

}  // namespace

int main(int argc, char** argv) try {
  const torch::ScalarType dtype =
      std::string(argv[4]) == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
  lowp::models::CausalLM model = lowp::models::CausalLM::load(argv[1], {.dtype = dtype});
  std::vector<std::int64_t> ids;
  for (int i = kFirstId; i < argc; ++i) ids.push_back(std::atoll(argv[i]));
  const torch::Tensor sequence = torch::tensor(ids, torch::kInt64);
  write(model->forward(sequence), std::string(argv[2]) + ".autograd");
  model->stack_projections();
  const torch::InferenceMode inference;
  write(model->forward(sequence), argv[2]);
  lowp::models::GenerateOptions options;
  options.max_tokens = std::atoll(argv[3]);
  for (const std::int64_t token : model->generate(ids, options).tokens) std::cout << token << ' ';
  std::cout << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
