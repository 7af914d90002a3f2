#include "kernels/runtime/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lowp::kernels {
namespace {

using RangeBody = void (*)(void* body_context, std::int64_t begin, std::int64_t end);

// Ranges a thread: enough that a thread which the system holds up does not hold up the loop.
constexpr std::int64_t kRangesPerThread = 4;

struct Loop {
  std::int64_t count;
  std::int64_t range;  // length of all ranges but the last
  RangeBody body;
  void* body_context;
  std::atomic<std::int64_t> next{0};
  std::exception_ptr error;
  std::mutex error_mutex;
};

thread_local bool inside_loop = false;

void work_on(Loop& loop) {
  inside_loop = true;
  for (;;) {
    const std::int64_t begin = loop.next.fetch_add(loop.range);
    if (begin >= loop.count) break;
    try {
      loop.body(loop.body_context, begin, std::min(begin + loop.range, loop.count));
    } catch (...) {
      const std::lock_guard lock(loop.error_mutex);
      if (!loop.error) loop.error = std::current_exception();
      loop.next = loop.count;
    }
  }
  inside_loop = false;
}

}  // namespace

struct ThreadPool::State {
  explicit State(int threads) {
    workers.reserve(static_cast<std::size_t>(threads) - 1);
    for (int i = 1; i < threads; ++i) workers.emplace_back([this] { serve(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    started.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  // A worker: waits for the next loop, takes part in it, says so.
  void serve() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      started.wait(lock, [&] { return stopping || generation != seen; });
      if (stopping) return;
      seen = generation;
      Loop& current = *loop;
      lock.unlock();
      work_on(current);
      lock.lock();
      if (--busy == 0) finished.notify_one();
    }
  }

  void run(std::int64_t count, std::int64_t grain, RangeBody body, void* body_context) {
    if (inside_loop || workers.empty() || count <= grain) return body(body_context, 0, count);
    const std::unique_lock only_loop(loop_mutex, std::try_to_lock);
    if (!only_loop) return body(body_context, 0, count);
    const auto threads = static_cast<std::int64_t>(workers.size()) + 1;
    const std::int64_t even =
        (count + threads * kRangesPerThread - 1) / (threads * kRangesPerThread);
    Loop mine{count, std::max({even, grain, std::int64_t{1}}), body, body_context, {}, {}, {}};
    {
      const std::lock_guard lock(mutex);
      loop = &mine;
      busy = static_cast<int>(workers.size());
      ++generation;
    }
    started.notify_all();
    work_on(mine);
    {
      std::unique_lock lock(mutex);
      finished.wait(lock, [&] { return busy == 0; });
    }
    if (mine.error) std::rethrow_exception(mine.error);
  }

  std::mutex loop_mutex;  // held by the caller whose loop runs
  std::mutex mutex;       // guards what follows
  std::condition_variable started;
  std::condition_variable finished;
  Loop* loop = nullptr;
  std::uint64_t generation = 0;
  int busy = 0;  // workers that have not left the current loop
  bool stopping = false;
  std::vector<std::thread> workers;
  ParallelFor parallel{
      this,
      [](void* state, std::int64_t count, std::int64_t grain, RangeBody body, void* body_context) {
        static_cast<State*>(state)->run(count, grain, body, body_context);
      },
      [](void* state) { return static_cast<int>(static_cast<State*>(state)->workers.size()) + 1; }};
};

ThreadPool::ThreadPool(int threads)
    : state_(std::make_unique<State>(
          threads > 0 ? threads
                      : std::max(1, static_cast<int>(std::thread::hardware_concurrency())))) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

const ParallelFor* ThreadPool::parallel_for() const { return &state_->parallel; }

}  // namespace lowp::kernels
