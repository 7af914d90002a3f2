// Work on pieces of mapped files, spread over threads.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace lowp::cli {

// One piece: the mapped bytes it reads, and what to do with them. `worker` is in [0, threads).
struct Task {
  std::span<const std::byte> source;
  std::function<void(int worker)> run;
};

// Runs the tasks in order of their start on `threads` threads while another one reads ahead; each
// piece of the mapping is given back to the kernel once it is done, so that resident memory stays
// small. The first exception of a task is rethrown after all threads have stopped.
void run_tasks(std::span<const Task> tasks, int threads);

}  // namespace lowp::cli
