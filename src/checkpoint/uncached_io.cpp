#include "checkpoint/uncached_io.h"

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace lowp::checkpoint {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kDontCache = 0x80;  // RWF_DONTCACHE, which older headers lack

// Cleared when the kernel or a file system refuses; the flag is only advice.
std::atomic<bool> use_flag = true;

// f(flags) is the call; it is made again without the flag if the flag is refused.
template <class Call>
ssize_t with_flag(const Call& call) {
  if (use_flag.load(std::memory_order_relaxed)) {
    const ssize_t result = call(kDontCache);
    const bool refused = result < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS);
    if (!refused) return result;
    use_flag = false;
  }
  return call(0);
}

}  // namespace

ssize_t read_uncached(int file, void* data, std::size_t size, off_t offset) {
  const iovec part{data, size};
  return with_flag([&](int flags) {
    return flags == 0 ? ::pread(file, data, size, offset)
                      : ::preadv2(file, &part, 1, offset, flags);
  });
}

ssize_t write_uncached(int file, const void* data, std::size_t size, off_t offset) {
  const std::size_t before = static_cast<std::size_t>(offset) % kPage;
  const std::size_t head = before == 0 ? 0 : kPage - before;
  if (size < head + kPage) return ::pwrite(file, data, size, offset);
  if (head != 0) return ::pwrite(file, data, head, offset);
  size = size / kPage * kPage;
  const iovec part{const_cast<void*>(data), size};
  return with_flag([&](int flags) {
    return flags == 0 ? ::pwrite(file, data, size, offset)
                      : ::pwritev2(file, &part, 1, offset, flags);
  });
}

}  // namespace lowp::checkpoint
