// Which tensors of a Hugging Face checkpoint are weights of linear layers, by their names: the one
// place of this rule. Checkpoints hold names and shapes, not classes of modules.
#pragma once

#include <cstdint>
#include <regex>
#include <span>
#include <string>
#include <string_view>

namespace lowp {

// A linear weight is a matrix (N, K) named `MODULE.weight`. Not one: embeddings (`embed` in the
// last part of the module's name, or wte, wpe), norms (`norm`, ln_1, ln_2, ln_f), convolutions
// (`conv`). Empty if it is one, otherwise why not.
std::string why_not_linear(std::string_view tensor, std::span<const std::int64_t> shape);

// The module of a tensor: its name without the last part.
std::string_view module_of(std::string_view tensor);

// Servers fuse q, k, v and gate, up into one layer, which then has one scale a tensor: layers with
// the same answer must share theirs. Empty if the layer is not fused.
std::string fused_layer(std::string_view module);

// What stays unquantized unless asked for: the head and the routers of mixtures of experts.
bool is_ignored_by_default(std::string_view module);

// A module's full name, or `re:` and a regular expression that matches from the name's start
// (compressed-tensors' convention). Throws lowp::Error for an invalid expression.
class NamePattern {
 public:
  explicit NamePattern(std::string text);
  bool matches(std::string_view module) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool is_regex_;
  std::regex regex_;
};

}  // namespace lowp
