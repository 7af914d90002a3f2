#include "cli/quantize_tasks.h"

#include <algorithm>
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
constexpr std::size_t kBlockBytes = 8U << 20;
// Blocks in memory, read or being worked on. They stay in the last-level cache, and the kernel's
// own read-ahead keeps the disk busy.
constexpr std::size_t kAheadBytes = 3 * kBlockBytes;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kReadAlignment = checkpoint::kReadAlignment;

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

// Reads blocks up to multiples of kReadAlignment: what is too much begins the block that follows.
class Reader {
 public:
  // The buffer of the block before must still be there.
  void read(std::span<const Task> tasks, Block& block) {
    const checkpoint::MappedFile& file = *tasks[block.begin].file;
    const auto begin =
        static_cast<std::size_t>(tasks[block.begin].source.data() - file.bytes().data());
    const std::size_t end = begin + block.bytes;
    const bool goes_on = &file == file_ && begin >= end_ && begin <= read_end_;
    const std::size_t first = goes_on ? begin : begin / kPage * kPage;
    std::byte* out = block.buffer.get() + first % kPage;
    std::size_t known = 0;
    if (goes_on) {
      known = read_end_ - begin;
      std::memcpy(out, surplus_ + (begin - end_), known);
    }
    const std::size_t wanted = (end + kReadAlignment - 1) / kReadAlignment * kReadAlignment;
    const std::size_t read_end = std::min(wanted, file.bytes().size());
    file.read(first + known, {out + known, read_end - first - known});
    block.data = out + (begin - first);
    file_ = &file;
    end_ = end;
    read_end_ = read_end;
    surplus_ = out + (end - first);
  }

 private:
  const checkpoint::MappedFile* file_ = nullptr;
  std::size_t end_ = 0;  // of the last block
  std::size_t read_end_ = 0;
  const std::byte* surplus_ = nullptr;  // [end_, read_end_) of the file
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
      if (!block.buffer)
        block.buffer = make_buffer(std::max(block.bytes, kBlockBytes) + kReadAlignment + kPage);
      reader_.read(tasks_, block);
      lock.lock();
      loaded_ = block.end;
      if (last_read_ != nullptr && last_read_->unfinished == 0) recycle(*last_read_);
      last_read_ = &block;
      changed_.notify_all();
    }
  }

  void release(Block& block) {
    held_bytes_ -= block.bytes;
    if (&block != last_read_) recycle(block);
    changed_.notify_all();
  }

  // Buffers are used again: fresh memory costs a fault a page.
  void recycle(Block& block) {
    if (block.bytes <= kBlockBytes) spare_.push_back(std::move(block.buffer));
    block.buffer.reset();
  }

  std::span<const Task> tasks_;
  Reader reader_;
  std::mutex mutex_;  // guards what follows; a block's data belongs to who reads it or works on it
  std::condition_variable changed_;
  std::vector<Block> blocks_;
  std::vector<Buffer> spare_;
  std::size_t held_bytes_ = 0;
  Block* last_read_ = nullptr;  // the reader looks back at its buffer
  std::size_t next_ = 0;        // task to begin
  std::size_t loaded_ = 0;      // tasks whose block was read
  std::exception_ptr error_;
};

}  // namespace

void run_tasks(std::span<const Task> tasks, int threads) { Run(tasks, std::max(threads, 1)); }

}  // namespace lowp::cli
