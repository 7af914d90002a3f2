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
  std::exception_ptr error;
  std::mutex error_mutex;
  alignas(64) std::atomic<std::int64_t> next{0};  // away from what all threads only read
};

// How long a thread waits before it sleeps: a sleeping one takes some 50 us to come, and loops
// follow each other faster than this. At first it keeps its core, which it then has at once: a
// layer of a small model is 10 us of work. Later whoever else wants the core gets it.
constexpr std::chrono::microseconds kKeepCore{20};
constexpr std::chrono::microseconds kWait{100};

template <class Done>
void wait_awhile(const Done& done) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  for (auto waited = Clock::duration::zero(); !done() && waited < kWait;
       waited = Clock::now() - begin) {
    if (waited < kKeepCore) {
      __builtin_ia32_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

thread_local bool inside_loop = false;

void work_on(Loop& loop) {
  inside_loop = true;
  while (loop.next.load(std::memory_order_relaxed) < loop.count) {
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

// A loop is open until its caller finds no range left. Workers that come later find it closed, so
// that one whose core somebody else has holds up nobody.
struct ThreadPool::State {
  explicit State(int threads) : workers(static_cast<std::size_t>(threads) - 1) {
    for (Worker& worker : workers) worker.thread = std::thread([this, &worker] { serve(worker); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    opened.notify_all();
    for (Worker& worker : workers) worker.thread.join();
  }

  // One line of the cache each: a shared counter would go from core to core.
  struct alignas(64) Worker {
    std::atomic<bool> inside{false};  // may touch the loop
    std::thread thread;
  };

  // Takes part in each loop that it finds open, once.
  void serve(Worker& worker) {
    std::uint64_t seen = 0;
    const auto called = [&] {
      const std::uint64_t now = turn;
      return stopping || (now % 2 == 1 && now != seen);
    };
    for (;;) {
      wait_awhile(called);
      if (!called()) {
        std::unique_lock lock(mutex);
        ++sleepers;
        // Woken for a loop that has ended meanwhile, it waits awake for the next one.
        opened.wait(lock, [&, then = turn.load()] { return called() || turn != then; });
        --sleepers;
        continue;
      }
      if (stopping) return;
      const std::uint64_t now = turn;
      if (now % 2 == 0) continue;
      seen = now;
      worker.inside = true;  // before the look: the caller closes the loop before it looks at this
      if (turn == now) work_on(*loop);
      worker.inside = false;
      if (caller_sleeps) {
        const std::lock_guard lock(mutex);
        left.notify_one();
      }
    }
  }

  bool nobody_inside() const {
    return std::ranges::none_of(workers, [](const Worker& worker) { return worker.inside.load(); });
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
    ++turn;
    if (sleepers > 0) {
      { const std::lock_guard lock(mutex); }  // none is between its look and its sleep
      opened.notify_all();
    }
    work_on(mine);
    ++turn;
    const auto done = [this] { return nobody_inside(); };
    wait_awhile(done);
    if (!done()) {
      std::unique_lock lock(mutex);
      caller_sleeps = true;
      left.wait(lock, done);
      caller_sleeps = false;
    }
    if (mine.error) std::rethrow_exception(mine.error);
  }

  std::mutex loop_mutex;  // held by the caller whose loop runs
  std::mutex mutex;       // of those who sleep
  std::condition_variable opened;
  std::condition_variable left;
  Loop* loop = nullptr;                             // while it is open
  alignas(64) std::atomic<std::uint64_t> turn = 0;  // odd: a loop is open
  std::atomic<bool> stopping = false;
  alignas(64) std::atomic<int> sleepers = 0;
  std::atomic<bool> caller_sleeps = false;
  std::vector<Worker> workers;
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
