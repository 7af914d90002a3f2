#include "kernels/runtime/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
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

// How long a thread waits before it sleeps: waking 16 of them takes some 30 us, and loops follow
// each other faster than this. Whoever else wants the core gets it meanwhile.
constexpr std::chrono::microseconds kWait{100};

template <class Done>
void wait_awhile(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + kWait;
  while (!done() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
}

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
    const auto called = [&] { return stopping || generation != seen; };
    for (;;) {
      wait_awhile(called);
      if (!called()) {
        std::unique_lock lock(mutex);
        started.wait(lock, called);
      }
      if (stopping) return;
      seen = generation;
      work_on(*loop);
      if (--busy == 0) {
        const std::lock_guard lock(mutex);  // so that the caller is not between look and sleep
        finished.notify_one();
      }
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
    loop = &mine;
    busy = static_cast<int>(workers.size());
    {
      const std::lock_guard lock(mutex);
      ++generation;
    }
    started.notify_all();
    work_on(mine);
    const auto done = [&] { return busy == 0; };
    wait_awhile(done);
    if (!done()) {
      std::unique_lock lock(mutex);
      finished.wait(lock, done);
    }
    if (mine.error) std::rethrow_exception(mine.error);
  }

  std::mutex loop_mutex;  // held by the caller whose loop runs
  std::mutex mutex;       // of those who sleep
  std::condition_variable started;
  std::condition_variable finished;
  Loop* loop = nullptr;  // of the generation
  std::atomic<std::uint64_t> generation = 0;
  std::atomic<int> busy = 0;  // workers that have not left the current loop
  std::atomic<bool> stopping = false;
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
