#include "cli/quantize_tasks.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "checkpoint/uncached_io.h"

namespace lowp::cli {
namespace {

// Bytes that one call reads: large enough for a disk to stream.
constexpr std::size_t kBlockBytes = 4U << 20;
// Blocks in memory, read or being worked on. They stay in the last-level cache, and the kernel's
// own read-ahead keeps the disk busy.
constexpr std::size_t kAheadBytes = 4 * kBlockBytes;
constexpr std::size_t kPage = checkpoint::kIoAlignment;

struct Free {
  void operator()(std::byte* data) const { std::free(data); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

// Begins at a page: the kernel copies to pages from pages.
Buffer make_buffer(std::size_t size) {
  const std::size_t rounded = (size + kPage - 1) / kPage * kPage;
  Buffer buffer(static_cast<std::byte*>(std::aligned_alloc(kPage, rounded)));
  if (!buffer) throw std::bad_alloc();
  return buffer;
}

// Tasks [begin, end), whose sources follow each other in one file.
struct Block {
  std::size_t begin;
  std::size_t end;
  std::size_t bytes;
  std::size_t unfinished;  // tasks
  Buffer buffer;
  const std::byte* data;  // of the first task
};

// Reads blocks in the order of the file by whole pages, none of them twice.
class Reader {
 public:
  void read(std::span<const Task> tasks, Block& block) {
    const checkpoint::MappedFile& file = *tasks[block.begin].file;
    const std::byte* source = tasks[block.begin].source.data();
    const auto begin = static_cast<std::size_t>(source - file.bytes().data());
    const std::size_t page = begin / kPage * kPage;
    const std::size_t end =
        std::min((begin + block.bytes + kPage - 1) / kPage * kPage, file.bytes().size());
    std::byte* out = block.buffer.get();
    // The block before ended within this one's first page.
    const bool goes_on = &file == file_ && page == last_page_ && page != begin;
    if (goes_on) std::memcpy(out, last_.data(), kPage);
    const std::size_t known = goes_on ? std::min(kPage, end - page) : 0;
    file.read(page + known, {out + known, end - page - known});
    block.data = out + (begin - page);
    file_ = &file;
    last_page_ = (end - 1) / kPage * kPage;
    std::memcpy(last_.data(), out + (last_page_ - page), end - last_page_);
  }

 private:
  const checkpoint::MappedFile* file_ = nullptr;
  std::size_t last_page_ = 0;
  std::array<std::byte, kPage> last_;
};

std::vector<Block> blocks_of(std::span<const Task> tasks) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Task& task = tasks[i];
    const std::size_t bytes = task.source.size();
    const bool follows =
        i != 0 && tasks[i - 1].file == task.file &&
        tasks[i - 1].source.data() + tasks[i - 1].source.size() == task.source.data();
    if (!follows || blocks.back().bytes + bytes > kBlockBytes) {
      blocks.push_back({i, i, 0, 0, {}, nullptr});
    }
    Block& block = blocks.back();
    ++block.end;
    ++block.unfinished;
    block.bytes += bytes;
  }
  return blocks;
}

class Run {
 public:
  Run(std::span<const Task> tasks, int threads) : tasks_(tasks), blocks_(blocks_of(tasks)) {
    std::vector<std::thread> all;
    all.emplace_back([this] { guarded([this] { read_all(); }); });
    for (int worker = 1; worker < threads; ++worker) {
      all.emplace_back([this, worker] { guarded([this, worker] { work(worker); }); });
    }
    guarded([this] { work(0); });
    for (std::thread& thread : all) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  template <class Body>
  void guarded(const Body& body) {
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  void work(int worker) {
    std::size_t b = 0;
    std::unique_lock lock(mutex_);
    while (true) {
      const std::size_t i = next_++;
      changed_.wait(lock, [&] { return error_ || i < loaded_ || i >= tasks_.size(); });
      if (error_ || i >= tasks_.size()) return;
      while (blocks_[b].end <= i) ++b;
      Block& block = blocks_[b];
      const std::byte* data =
          block.data + (tasks_[i].source.data() - tasks_[block.begin].source.data());
      lock.unlock();
      tasks_[i].run(worker, data);
      lock.lock();
      if (--block.unfinished == 0) release(block);
    }
  }

  void read_all() {
    std::unique_lock lock(mutex_);
    for (Block& block : blocks_) {
      // A block larger than all the room is alone.
      changed_.wait(lock, [&] {
        return error_ || held_bytes_ == 0 || held_bytes_ + block.bytes <= kAheadBytes;
      });
      if (error_) return;
      held_bytes_ += block.bytes;
      if (!spare_.empty() && block.bytes <= kBlockBytes) {
        block.buffer = std::move(spare_.back());
        spare_.pop_back();
      }
      lock.unlock();
      if (!block.buffer) block.buffer = make_buffer(std::max(block.bytes, kBlockBytes) + 2 * kPage);
      reader_.read(tasks_, block);
      lock.lock();
      loaded_ = block.end;
      changed_.notify_all();
    }
  }

  // Buffers are used again: fresh memory costs a fault a page.
  void release(Block& block) {
    held_bytes_ -= block.bytes;
    if (block.bytes <= kBlockBytes) spare_.push_back(std::move(block.buffer));
    block.buffer.reset();
    changed_.notify_all();
  }

  std::span<const Task> tasks_;
  Reader reader_;
  std::mutex mutex_;  // guards what follows; a block's data belongs to who reads it or works on it
  std::condition_variable changed_;
  std::vector<Block> blocks_;
  std::vector<Buffer> spare_;
  std::size_t held_bytes_ = 0;
  std::size_t next_ = 0;    // task to begin
  std::size_t loaded_ = 0;  // tasks whose block was read
  std::exception_ptr error_;
};

}  // namespace

void run_tasks(std::span<const Task> tasks, int threads) { Run(tasks, std::max(threads, 1)); }

}  // namespace lowp::cli
