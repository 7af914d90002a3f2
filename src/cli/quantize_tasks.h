// Work on pieces of files, spread over threads.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "checkpoint/mapped_file.h"

namespace lowp::cli {

// One piece: the part of a file it reads, and what to do with a copy of it at `data`. `worker` is
// in [0, threads).
struct Task {
  const checkpoint::MappedFile* file;
  std::span<const std::byte> source;  // of file->bytes()
  std::function<void(int worker, const std::byte* data)> run;
};

// Runs the tasks in order of their start on `threads` threads while another one reads ahead into a
// few buffers, so that memory stays small. The first exception, of a task or of reading, is
// rethrown after all threads have stopped.
void run_tasks(std::span<const Task> tasks, int threads);

}  // namespace lowp::cli
