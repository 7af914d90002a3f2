#pragma once

#include <memory>

#include "kernels/runtime/parallel.h"

namespace lowp::kernels {

// Threads for programs without torch; a `ParallelFor` for kernels.
//   ThreadPool pool(threads);
//   quantize_int8({..., .parallel = pool.parallel_for()});
// Loops of one pool run one at a time: a loop started inside another one, or while another thread
// runs one, runs on its caller alone. The first exception of a body is rethrown to the caller after
// all threads have left the loop; ranges not yet begun are then skipped.
class ThreadPool {
 public:
  // `threads` includes the caller; 0: as many as this process may run at once.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Lives as long as the pool.
  const ParallelFor* parallel_for() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lowp::kernels
