#include "kernels/runtime/workspace.h"

#include <memory>
#include <new>

namespace lowp::kernels {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Free {
  void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
};

struct Memory {
  std::unique_ptr<std::byte, Free> bytes;
  std::int64_t size = 0;
};

}  // namespace

std::byte* thread_workspace(std::int64_t bytes) {
  thread_local Memory memory;
  if (bytes > memory.size) {
    memory = {};  // first, so that both are never held
    memory.bytes.reset(static_cast<std::byte*>(
        ::operator new(static_cast<std::size_t>(bytes), kAlignment, std::nothrow)));
    memory.size = memory.bytes == nullptr ? 0 : bytes;
  }
  return memory.bytes.get();
}

}  // namespace lowp::kernels
