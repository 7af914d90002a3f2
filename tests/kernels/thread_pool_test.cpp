#include "kernels/runtime/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace lowp::kernels {
namespace {

TEST(ThreadPool, CoversEveryIndexOnceForAnyCountAndGrain) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    EXPECT_EQ(threads_of(pool.parallel_for()), threads);
    for (std::int64_t count : {1, 2, 7, 64, 1000}) {
      for (std::int64_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
        parallel_for(pool.parallel_for(), count, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
        });
        EXPECT_TRUE(std::ranges::all_of(hits, [](const auto& hit) { return hit == 1; }))
            << threads << " threads, count " << count << ", grain " << grain;
      }
    }
  }
}

TEST(ThreadPool, NoRangeButTheLastIsShorterThanTheGrain) {
  ThreadPool pool(3);
  std::mutex mutex;
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  parallel_for(pool.parallel_for(), 1003, 100, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::ranges::sort(ranges);
  for (std::size_t i = 0; i + 1 < ranges.size(); ++i) {
    EXPECT_GE(ranges[i].second - ranges[i].first, 100);
  }
  EXPECT_EQ(ranges.back().second, 1003);
}

// Each of two ranges waits until the other one has begun, so one thread could not finish.
void meet_in_a_loop(const ThreadPool& pool) {
  std::atomic<int> begun{0};
  parallel_for(pool.parallel_for(), 2, 1, [&](std::int64_t begin, std::int64_t end) {
    ASSERT_EQ(end - begin, 1);
    begun.fetch_add(1);
    while (begun.load() < 2) std::this_thread::yield();
  });
  EXPECT_EQ(begun.load(), 2);
}

TEST(ThreadPool, RunsOnSeveralThreads) {
  ThreadPool pool(2);
  for (int repeat = 0; repeat < 200; ++repeat) meet_in_a_loop(pool);
}

TEST(ThreadPool, ThreadsThatSleepAreWoken) {
  ThreadPool pool(2);
  for (int repeat = 0; repeat < 10; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    meet_in_a_loop(pool);
  }
}

TEST(ThreadPool, LoopInsideALoopRunsOnItsCaller) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  parallel_for(pool.parallel_for(), 8, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto caller = std::this_thread::get_id();
      parallel_for(pool.parallel_for(), 10, 1, [&](std::int64_t first, std::int64_t last) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        sum += static_cast<int>(last - first);
      });
    }
  });
  EXPECT_EQ(sum.load(), 80);
}

TEST(ThreadPool, LoopsOfSeveralCallersAllFinish) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) {
        parallel_for(pool.parallel_for(), 16, 1, [&](std::int64_t begin, std::int64_t end) {
          sum += static_cast<int>(end - begin);
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 3 * 100 * 16);
}

TEST(ThreadPool, RethrowsTheExceptionOfABodyAndStaysUsable) {
  ThreadPool pool(2);
  const auto fail = [](std::int64_t begin, std::int64_t) {
    if (begin == 0) throw std::runtime_error("range 0");
  };
  EXPECT_THROW(parallel_for(pool.parallel_for(), 100, 1, fail), std::runtime_error);
  std::atomic<int> sum{0};
  parallel_for(pool.parallel_for(), 100, 1,
               [&](std::int64_t begin, std::int64_t end) { sum += static_cast<int>(end - begin); });
  EXPECT_EQ(sum.load(), 100);
}

TEST(ThreadPool, DefaultIsAtLeastOneThread) { EXPECT_GE(ThreadPool().threads(), 1); }

}  // namespace
}  // namespace lowp::kernels
