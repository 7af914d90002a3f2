#include "checkpoint/safetensors.h"

#include <utility>

#include "checkpoint/safetensors_header.h"

namespace lowp::checkpoint {

std::int64_t TensorView::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

Safetensors::Safetensors(const std::filesystem::path& path) : file_(path) {
  SafetensorsHeader header = parse_safetensors_header(file_.bytes(), path.string());
  const auto data = file_.bytes().subspan(header.data_begin);
  tensors_.reserve(header.tensors.size());
  for (TensorEntry& entry : header.tensors) {
    tensors_.push_back({std::move(entry.spec.name), entry.spec.dtype, std::move(entry.spec.shape),
                        data.subspan(entry.begin, entry.end - entry.begin)});
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
  metadata_ = std::move(header.metadata);
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace lowp::checkpoint
