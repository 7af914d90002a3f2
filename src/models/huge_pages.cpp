#include "models/huge_pages.h"

#include <sys/mman.h>
#include <torch/types.h>

#include <cstring>
#include <memory>
#include <unordered_set>
#include <vector>

namespace lowp::models {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kAlignment = 64;

std::size_t round_up(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

// Freed when the last tensor in it is.
class Block {
 public:
  explicit Block(std::size_t size)
      : size_(size + kHugePage),
        memory_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (is_valid()) madvise(begin(), size, MADV_HUGEPAGE);
  }
  ~Block() {
    if (is_valid()) munmap(memory_, size_);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  bool is_valid() const { return memory_ != MAP_FAILED; }
  char* begin() const {
    const auto address = reinterpret_cast<std::size_t>(memory_);
    return static_cast<char*>(memory_) + (round_up(address, kHugePage) - address);
  }

 private:
  std::size_t size_;
  void* memory_;
};

using SharedBlock = std::shared_ptr<Block>;

// Each storage once, in the order of the modules.
std::vector<c10::StorageImpl*> cpu_storages(const torch::nn::Module& module) {
  std::vector<c10::StorageImpl*> storages;
  std::unordered_set<c10::StorageImpl*> seen;
  const auto add = [&](const torch::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cpu() || !tensor.has_storage()) return;
    c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
    if (storage->nbytes() > 0 && seen.insert(storage).second) storages.push_back(storage);
  };
  for (const auto& part : module.modules()) {
    for (const torch::Tensor& tensor : part->parameters(/*recurse=*/false)) add(tensor);
    for (const torch::Tensor& tensor : part->buffers(/*recurse=*/false)) add(tensor);
  }
  return storages;
}

// Copies the storage's bytes to `data`, a part of `block`, where they are from then on.
void move_storage(c10::StorageImpl& storage, char* data, const SharedBlock& block) {
  std::memcpy(data, storage.data(), storage.nbytes());
  const auto release = [](void* context) { delete static_cast<SharedBlock*>(context); };
  storage.set_data_ptr_noswap({data, new SharedBlock(block), release, c10::kCPU});
}

}  // namespace

void move_to_huge_pages(const torch::nn::Module& module) {
  const std::vector<c10::StorageImpl*> storages = cpu_storages(module);
  std::size_t total = 0;
  for (const c10::StorageImpl* storage : storages) total += round_up(storage->nbytes(), kAlignment);
  if (total < kHugePage) return;
  const auto block = std::make_shared<Block>(round_up(total, kHugePage));
  if (!block->is_valid()) return;
  char* data = block->begin();
  for (c10::StorageImpl* storage : storages) {
    const std::size_t size = round_up(storage->nbytes(), kAlignment);
    move_storage(*storage, data, block);
    data += size;
  }
}

}  // namespace lowp::models
