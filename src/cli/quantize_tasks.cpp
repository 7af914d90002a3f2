#include "cli/quantize_tasks.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

namespace lowp::cli {
namespace {

// Read ahead of the workers: enough for a disk to stream, small beside the memory bound.
constexpr std::size_t kAhead = 48U << 20;

// Applies `advice` to the whole pages around `source`.
void advise(std::span<const std::byte> source, int advice) {
  if (source.empty()) return;
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(source.data());
  const std::uintptr_t begin = address / page * page;
  // Advice is only that: if it is refused, the pages are read and dropped when the kernel likes.
  ::madvise(reinterpret_cast<void*>(begin), address + source.size() - begin, advice);
}

class Run {
 public:
  Run(std::span<const Task> tasks, int threads) : tasks_(tasks) {
    std::vector<std::thread> all;
    all.emplace_back([this] { read_ahead(); });
    for (int worker = 1; worker < threads; ++worker) {
      all.emplace_back([this, worker] { work(worker); });
    }
    work(0);
    for (std::thread& thread : all) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void work(int worker) {
    for (std::size_t i = next_++; i < tasks_.size(); i = next_++) {
      try {
        tasks_[i].run(worker);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = tasks_.size();
      }
      advise(tasks_[i].source, MADV_DONTNEED);
      const std::lock_guard lock(mutex_);
      done_bytes_ += tasks_[i].source.size();
      changed_.notify_one();
    }
    const std::lock_guard lock(mutex_);
    changed_.notify_one();
  }

  void read_ahead() {
    std::size_t begun_bytes = 0;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock,
                      [&] { return begun_bytes < done_bytes_ + kAhead || next_ >= tasks_.size(); });
      }
      if (next_ >= tasks_.size()) return;
      if (i >= next_) advise(tasks_[i].source, kPopulate);
      begun_bytes += tasks_[i].source.size();
    }
  }

#ifdef MADV_POPULATE_READ
  static constexpr int kPopulate = MADV_POPULATE_READ;  // reads and maps, in this thread
#else
  static constexpr int kPopulate = MADV_WILLNEED;
#endif

  std::span<const Task> tasks_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::size_t done_bytes_ = 0;
  std::exception_ptr error_;
};

}  // namespace

void run_tasks(std::span<const Task> tasks, int threads) { Run(tasks, std::max(threads, 1)); }

}  // namespace lowp::cli
