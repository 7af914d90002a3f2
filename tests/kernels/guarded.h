// Vectors that end at a page which nobody may touch: a kernel that reads or writes beyond them dies
// of it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>
#include <vector>

namespace lowp::kernels {

template <class T>
class GuardedAllocator {
 public:
  using value_type = T;

  GuardedAllocator() = default;
  template <class Other>
  explicit GuardedAllocator(const GuardedAllocator<Other>&) {}

  T* allocate(std::size_t count) {
    const std::size_t size = whole_pages(count);
    void* first =
        mmap(nullptr, size + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (first == MAP_FAILED) throw std::bad_alloc();
    char* guard = static_cast<char*>(first) + size;
    mprotect(guard, page(), PROT_NONE);
    return reinterpret_cast<T*>(guard - count * sizeof(T));
  }

  void deallocate(T* data, std::size_t count) {
    const std::size_t size = whole_pages(count);
    munmap(reinterpret_cast<char*>(data) + count * sizeof(T) - size, size + page());
  }

  bool operator==(const GuardedAllocator&) const { return true; }

 private:
  static std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
  static std::size_t whole_pages(std::size_t count) {
    return (count * sizeof(T) + page() - 1) / page() * page();
  }
};

template <class T>
using Guarded = std::vector<T, GuardedAllocator<T>>;

}  // namespace lowp::kernels
